-- Count what reached a state at an endpoint since a time, and its bytes. Parameters: endpoint, state, since_at.
-- Index: delivery_event_time.
select count(*) as units, coalesce(sum(u.size_bytes), 0) as size_bytes
from delivery_event e
join unit u on u.unit = e.unit
where e.endpoint = :endpoint and e.new_state = :state and e.at >= :since_at
