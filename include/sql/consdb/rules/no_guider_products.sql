-- Detectors that guide have no image, hence nothing that is derived from one.
-- Parameters: instrument, day_obs, guiders (list). Indexes: consdb_exposure_night, primary keys.
select e.instrument || '/' || e.day_obs || '/' || e.exposure_name as subject,
       m.table_name || ' has guiders: ' || count(*) as detail
from consdb_exposure e
join consdb_member m
  on m.instrument = e.instrument and m.exposure_id = e.exposure_id
 and m.table_name in ('ccdexposure_quicklook', 'ccdvisit1_quicklook')
where e.instrument = :instrument and e.day_obs = :day_obs and m.detector in :guiders
group by e.instrument, e.day_obs, e.exposure_name, e.exposure_id, m.table_name
order by subject, detail
