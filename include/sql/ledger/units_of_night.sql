-- Read the units of one instrument's night. Parameters: instrument, day_obs. Index: unit_night.
select * from unit where instrument = :instrument and day_obs = :day_obs order by unit
