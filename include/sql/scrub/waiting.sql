-- Read the published copies of an endpoint of which the source still holds the files.
-- Parameters: endpoint, source, before_at (published before it). Index: delivery_state.
select u.*, d.since_at, d.read_again_at
from delivery s
join delivery d on d.unit = s.unit and d.endpoint = :endpoint
join unit u on u.unit = s.unit
where s.endpoint = :source and s.state = 'verified'
  and d.state = 'published' and d.since_at <= :before_at
order by d.since_at, d.unit
