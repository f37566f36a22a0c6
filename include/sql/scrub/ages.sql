-- Sum the published copies of an endpoint by the day of their last reading, oldest first.
-- Parameters: endpoint. Index: delivery_read.
select substr(cast(d.verified_at as text), 1, 10) as day, count(*) as copies,
       sum(u.size_bytes) as size_bytes, min(d.verified_at) as oldest_at
from delivery d
join unit u on u.unit = d.unit
where d.endpoint = :endpoint and d.state = 'published'
group by substr(cast(d.verified_at as text), 1, 10)
order by min(d.verified_at)
