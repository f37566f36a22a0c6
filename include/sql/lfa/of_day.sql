-- Read a day's objects. Parameters: day_obs, state (empty for any). Index: lfa_object_day.
select * from lfa_object
where (:day_obs = 0 or day_obs = :day_obs) and (:state = '' or state = :state)
order by day_obs, key
