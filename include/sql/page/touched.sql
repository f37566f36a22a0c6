-- Name the nights of which something has moved since a time. Parameters: since_at.
-- A list, without a join: SQLite would begin with all exposures there are. Index: delivery_event_at, primary key of unit.
select distinct u.day_obs
from unit u
where u.unit in (select e.unit from delivery_event e where e.at >= :since_at)
