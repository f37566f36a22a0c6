-- Read what an endpoint still has to do something for. Parameters: endpoint. Index: delivery_state.
select d.*
from delivery d
join unit u on u.unit = d.unit
where d.endpoint = :endpoint
  and d.state in ('expected', 'arrived', 'verified', 'registered', 'missing', 'suspect')
  and u.manifest_sha256 <> ''
order by d.unit
