-- Since when a raw exposure waits that is complete, was never refused and never published by the archive; NULL where none does.
-- Parameters: source, archive, known_at. A list and a comparison, without joins: SQLite would begin with all exposures there are,
-- PostgreSQL would read all events where many wait.
-- Index: delivery_state, primary keys of unit and delivery_event, quarantine_unit.
select min(u.changed_at) as oldest_at
from unit u
where u.unit in (
      select d.unit from delivery d where d.endpoint = :source and d.state in ('expected', 'arrived')
      union
      select d.unit from delivery d
      where d.endpoint = :archive and d.state in ('expected', 'arrived', 'verified', 'registered'))
  and u.kind = 'raw' and u.arrived >= u.expected and u.missing = '[]' and u.changed_at > :known_at
  and not exists (select 1 from quarantine q where q.unit = u.unit)
  and (select min(e.version) from delivery_event e
       where e.unit = u.unit and e.endpoint = :archive and e.new_state = 'published') is null
