-- Read the units of some kinds that an endpoint has, of nights up to one, and when it first served them.
-- Parameters: endpoint, kinds (list), states (list), last_day. Index: delivery_state, unit_kind.
select u.*, d.state as delivery_state, d.since_at as delivery_since_at,
       coalesce((select min(e.at) from delivery_event e
                 where e.unit = d.unit and e.endpoint = d.endpoint and e.new_state = 'published'),
                d.since_at) as ingested_at
from delivery d
join unit u on u.unit = d.unit
where d.endpoint = :endpoint and d.state in :states and u.kind in :kinds
  and u.day_obs <= :last_day and u.manifest_sha256 <> ''
order by u.day_obs, u.unit
