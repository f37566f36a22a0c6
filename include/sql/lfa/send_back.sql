-- Have an object copied again. Parameters: key, code, reason, at. Index: primary key.
update lfa_object
set state = 'announced', unit = '', code = :code, reason = :reason, due_at = :at, changed_at = :at
where key = :key and state = 'checked'
