-- The number of an exposure is its day and its number within the day.
-- Parameters: instrument, day_obs. Index: consdb_exposure_night.
select e.instrument || '/' || e.day_obs || '/' || e.exposure_name as subject,
       'exposure_id ' || e.exposure_id || ' with day_obs ' || e.day_obs || ', seq_num ' || e.seq_num as detail
from consdb_exposure e
where e.instrument = :instrument and e.day_obs = :day_obs
  and e.exposure_id <> cast(e.day_obs as bigint) * 100000 + e.seq_num
order by subject
