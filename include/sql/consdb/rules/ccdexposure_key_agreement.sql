-- The rows of detectors name the same exposure by its number as by day and number within it.
-- Parameters: instrument, day_obs. Indexes: consdb_exposure_night, primary keys.
select e.instrument || '/' || e.day_obs || '/' || e.exposure_name as subject,
       'ccdexposure has day_obs ' || m.day_obs || ', seq_num ' || m.seq_num as detail
from consdb_exposure e
join consdb_members m
  on m.instrument = e.instrument and m.exposure_id = e.exposure_id and m.table_name = 'ccdexposure'
where e.instrument = :instrument and e.day_obs = :day_obs
  and (m.day_obs <> e.day_obs or m.seq_num <> e.seq_num)
order by subject
