-- Biases, darks and flats are not measured.
-- Parameters: instrument, day_obs. Indexes: consdb_exposure_night, primary keys.
select e.instrument || '/' || e.day_obs || '/' || e.exposure_name as subject, 'ccdvisit1_quicklook rows ' || count(*) as detail
from consdb_exposure e
join consdb_member m
  on m.instrument = e.instrument and m.exposure_id = e.exposure_id
 and m.table_name = 'ccdvisit1_quicklook'
where e.instrument = :instrument and e.day_obs = :day_obs and e.img_type in ('bias', 'dark', 'flat')
group by e.instrument, e.day_obs, e.exposure_name, e.exposure_id
order by subject
