-- Record why an announced object does not go on. Parameters: key, code, reason. Index: primary key.
update lfa_object set code = :code, reason = :reason where key = :key and state = 'announced'
