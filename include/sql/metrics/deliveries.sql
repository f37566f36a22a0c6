-- Count deliveries and their bytes by endpoint and state. No parameters. Index: delivery_state.
select d.endpoint, d.state, count(*) as units, coalesce(sum(u.size_bytes), 0) as size_bytes
from delivery d join unit u on u.unit = d.unit
group by d.endpoint, d.state
order by d.endpoint, d.state
