-- By endpoint, count the permanent files and objects of the annex that wait for so long, and name the oldest.
-- Parameters: before_at. Index: delivery_state, primary key of unit.
select endpoint, unit, day_obs, since_at, units
from (
    select d.endpoint, u.unit, u.day_obs, d.since_at,
           count(*) over (partition by d.endpoint) as units,
           row_number() over (partition by d.endpoint order by d.since_at, u.unit) as place
    from delivery d
    join unit u on u.unit = d.unit
    where u.kind in ('file', 'lfa') and d.since_at < :before_at
      and d.state in ('expected', 'arrived', 'verified', 'registered', 'missing', 'suspect')
) ranked
where place = 1
order by endpoint
