-- Every exposure, but for tests, has a row for each detector with an image; of wavefronts the science detectors suffice.
-- Parameters: instrument, day_obs, imaging (list), science (list), imaging_detectors (number), science_detectors (number). Indexes: consdb_exposure_night, primary keys.
select e.instrument || '/' || e.day_obs || '/' || e.exposure_name as subject, 'detectors ' || count(distinct m.detector) as detail
from consdb_exposure e
left join consdb_member m
  on m.instrument = e.instrument and m.exposure_id = e.exposure_id
 and m.table_name = 'ccdexposure_quicklook' and m.detector in :imaging
 and (e.img_type <> 'cwfs' or m.detector in :science)
where e.instrument = :instrument and e.day_obs = :day_obs and e.img_type not in ('indome', 'test')
group by e.instrument, e.day_obs, e.exposure_name, e.exposure_id, e.img_type
having count(distinct m.detector)
     < case when e.img_type = 'cwfs' then :science_detectors else :imaging_detectors end
order by subject
