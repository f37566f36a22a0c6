-- Count what an endpoint holds of each kind. Parameters: endpoint, states (list). Index: delivery_state.
select u.kind, count(*) as units, coalesce(sum(u.size_bytes), 0) as size_bytes
from delivery d
join unit u on u.unit = d.unit
where d.endpoint = :endpoint and d.state in :states
group by u.kind
