-- Every exposure has one row for each detector of the camera, and no other.
-- Parameters: instrument, day_obs, detectors (number), first_detector, last_detector. Indexes: consdb_exposure_night, primary keys.
select e.instrument || '/' || e.day_obs || '/' || e.exposure_name as subject,
       'rows ' || count(m.detector) || ', detectors ' || count(distinct m.detector) as detail
from consdb_exposure e
left join consdb_member m
  on m.instrument = e.instrument and m.exposure_id = e.exposure_id and m.table_name = 'ccdexposure'
where e.instrument = :instrument and e.day_obs = :day_obs
group by e.instrument, e.day_obs, e.exposure_name, e.exposure_id
having count(m.detector) <> :detectors or count(distinct m.detector) <> :detectors
    or min(m.detector) <> :first_detector or max(m.detector) <> :last_detector
order by subject
