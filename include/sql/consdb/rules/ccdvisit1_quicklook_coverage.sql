-- Every science exposure has a row for each detector that is measured.
-- Parameters: instrument, day_obs, measured (list), measured_detectors (number). Indexes: consdb_exposure_night, primary keys.
select e.instrument || '/' || e.day_obs || '/' || e.exposure_name as subject, 'detectors ' || count(distinct m.detector) as detail
from consdb_exposure e
left join consdb_member m
  on m.instrument = e.instrument and m.exposure_id = e.exposure_id
 and m.table_name = 'ccdvisit1_quicklook' and m.detector in :measured
where e.instrument = :instrument and e.day_obs = :day_obs and e.img_type in ('science', 'acq')
group by e.instrument, e.day_obs, e.exposure_name, e.exposure_id
having count(distinct m.detector) < :measured_detectors
order by subject
