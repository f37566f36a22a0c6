-- Read the facts of units' exposures. Parameters: units (list). Index: exposure_obs_id.
select u.unit, e.*
from unit u
join exposure e on e.instrument = u.instrument and e.obs_id = u.obs_id
where u.unit in :units
order by u.unit
