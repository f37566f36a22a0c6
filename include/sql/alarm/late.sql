-- By endpoint, count the exposures that are not there so long after their last file, and name the oldest.
-- Parameters: source, before_at. Index: delivery_state, primary key of unit.
select endpoint, unit, day_obs, changed_at, units
from (
    select d.endpoint, u.unit, u.day_obs, u.changed_at,
           count(*) over (partition by d.endpoint) as units,
           row_number() over (partition by d.endpoint order by u.changed_at, u.unit) as place
    from delivery d
    join unit u on u.unit = d.unit
    where u.kind = 'raw' and u.changed_at < :before_at
      and d.state in ('expected', 'arrived', 'verified', 'registered', 'missing', 'suspect')
      and (d.endpoint <> :source or d.state in ('expected', 'arrived'))
) ranked
where place = 1
order by endpoint
