-- Sum what may go, and has gone, from places. No parameters. Index: none, a row for each thing that ever went.
select endpoint, state, count(*) as items, coalesce(sum(size_bytes), 0) as size_bytes, max(since_at) as last
from expiry
group by endpoint, state
order by endpoint, state
