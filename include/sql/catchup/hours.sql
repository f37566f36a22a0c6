-- Count what an endpoint published of raw exposures, by hour. Parameters: endpoint, since_at. Index: delivery_event_time.
select substr(cast(e.at as text), 1, 13) as hour, count(*) as units, sum(u.size_bytes) as size_bytes
from delivery_event e
join unit u on u.unit = e.unit
where e.endpoint = :endpoint and e.new_state = 'published' and e.at >= :since_at and u.kind = 'raw'
group by substr(cast(e.at as text), 1, 13)
order by hour
