-- Read the deliveries of a night. Parameters: day_obs. Index: unit_day_obs, primary key.
select d.*
from unit u
join delivery d on d.unit = u.unit
where u.day_obs = :day_obs
