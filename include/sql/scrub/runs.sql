-- Sum what runs read at an endpoint since a time. Parameters: endpoint, since_at. Index: scrub_run_time.
select count(*) as runs, coalesce(sum(copies), 0) as copies, coalesce(sum(size_bytes), 0) as size_bytes,
       coalesce(sum(damaged), 0) as damaged
from scrub_run
where endpoint = :endpoint and ended_at >= :since_at
