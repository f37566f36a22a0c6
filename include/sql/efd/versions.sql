-- Find the highest version of an hour's files. Parameters: topic, begin_at. Index: primary key.
select coalesce(max(version), 0) as version from efd_file where topic = :topic and begin_at = :begin_at
