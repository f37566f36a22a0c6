-- Sum what arrived at an endpoint by day. Parameters: endpoint, since_at. Index: delivery_event_time.
select substr(cast(e.at as text), 1, 10) as day, sum(u.size_bytes) as size_bytes
from delivery_event e
join unit u on u.unit = e.unit
where e.endpoint = :endpoint and e.new_state = 'arrived' and e.at >= :since_at
group by substr(cast(e.at as text), 1, 10)
