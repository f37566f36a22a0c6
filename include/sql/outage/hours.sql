-- By hour, when an endpoint first and last published a raw exposure for the first time, and since when the one of them waited longest
-- that was complete and never refused. Times of a rebuilt ledger are before :known_at. Parameters: endpoint, since_at, known_at.
-- The first version is compared, without an anti-join: PostgreSQL would read all events for that, also for one hour.
-- Index: delivery_event_time, primary key of delivery_event, quarantine_unit.
select min(e.at) as first_at, max(e.at) as last_at,
       min(case
           when u.arrived >= u.expected and u.missing = '[]' and u.changed_at > :known_at
                and not exists (select 1 from quarantine q where q.unit = u.unit)
           then u.changed_at
       end) as oldest_at
from delivery_event e
join unit u on u.unit = e.unit
where e.endpoint = :endpoint and e.new_state = 'published' and e.at >= :since_at and u.kind = 'raw'
  and e.version = (
      select min(b.version) from delivery_event b
      where b.unit = e.unit and b.endpoint = e.endpoint and b.new_state = 'published')
group by substr(cast(e.at as text), 1, 13)
order by first_at
