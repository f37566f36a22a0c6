-- Read the sealed deliveries of an endpoint that have no good copy there, or that somebody left half way.
-- Parameters: endpoint, before_at. Index: delivery_state.
select d.*
from delivery d
join unit u on u.unit = d.unit
where d.endpoint = :endpoint
  and (d.state in ('suspect', 'missing')
       or d.state in ('arrived', 'verified', 'registered') and d.since_at < :before_at)
  and u.manifest_sha256 <> ''
order by d.unit
