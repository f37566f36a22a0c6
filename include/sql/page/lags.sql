-- Read when the units of nights were whole at the source, and how far they are elsewhere.
-- Parameters: first_day, last_day, endpoints (list). Index: unit_day_obs, primary key of delivery.
select u.day_obs, d.endpoint, u.changed_at, d.since_at, d.state
from unit u
join delivery d on d.unit = u.unit
where u.kind = 'raw' and u.day_obs between :first_day and :last_day and d.endpoint in :endpoints
