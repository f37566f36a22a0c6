-- Every exposure of the sky has its row of what a quick look tells.
-- Parameters: instrument, day_obs, on_sky (list of types). Indexes: consdb_exposure_night, primary keys.
select e.instrument || '/' || e.day_obs || '/' || e.exposure_name as subject, 'exposure_quicklook lacks its row' as detail
from consdb_exposure e
where e.instrument = :instrument and e.day_obs = :day_obs and e.img_type in :on_sky
  and not exists (
    select 1 from consdb_member m
    where m.instrument = e.instrument and m.exposure_id = e.exposure_id
      and m.table_name = 'exposure_quicklook')
order by subject
