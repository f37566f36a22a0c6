-- Read groups. Parameters (0 for all): day_obs. Index: calibration_group_day.
select * from calibration_group where (:day_obs = 0 or day_obs = :day_obs) order by begin_tai, name
