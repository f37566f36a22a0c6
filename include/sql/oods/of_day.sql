-- Read a day's images. Parameters: day_obs. Index: none, the journal is small.
select * from oods_file where day_obs = :day_obs order by name
