-- Find a topic's fields in its last file before an hour. Parameters: topic, begin_at. Index: primary key.
select s.schema_sha256, s.fields
from efd_file f
join efd_schema s on s.schema_sha256 = f.schema_sha256
where f.topic = :topic and f.begin_at < :begin_at
order by f.begin_at desc, f.version desc
limit 1
