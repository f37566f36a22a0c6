-- Record which Butler dataset an object is, or why it is none. Parameters: key, dataset_id, code,
-- reason. Index: primary key.
update lfa_object set dataset_id = :dataset_id, code = :code, reason = :reason where key = :key
