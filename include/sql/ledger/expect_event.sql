-- Write the first event of deliveries that have none. Parameters: units (list), endpoint, at,
-- reason, actor. Index: primary keys.
insert into delivery_event (unit, endpoint, version, at, old_state, new_state, reason, actor)
select d.unit, d.endpoint, 0, :at, '', 'expected', :reason, :actor
from delivery d
where d.unit in :units and d.endpoint = :endpoint
  and not exists (select 1 from delivery_event e
                  where e.unit = d.unit and e.endpoint = d.endpoint and e.version = 0)
