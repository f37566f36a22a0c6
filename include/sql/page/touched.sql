-- Name the nights of which something has moved since a time. Parameters: since_at. Index: delivery_event_at.
select distinct u.day_obs
from delivery_event e
join unit u on u.unit = e.unit
where e.at >= :since_at
