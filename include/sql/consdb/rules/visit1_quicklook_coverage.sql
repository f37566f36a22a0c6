-- Every exposure, but for tests, has its row of what a quick look at the visit tells.
-- Parameters: instrument, day_obs. Indexes: consdb_exposure_night, primary keys.
select e.instrument || '/' || e.day_obs || '/' || e.exposure_name as subject, 'visit1_quicklook lacks its row' as detail
from consdb_exposure e
where e.instrument = :instrument and e.day_obs = :day_obs and e.img_type not in ('indome', 'test')
  and not exists (
    select 1 from consdb_member m
    where m.instrument = e.instrument and m.exposure_id = e.exposure_id
      and m.table_name = 'visit1_quicklook')
order by subject
