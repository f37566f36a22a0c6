-- Read when exposures ended (TAI) of which no value was ever published.
-- Parameters: instrument, begin_tai, end_tai (text, as in the table). Index: primary keys.
select e.end_tai
from exposure e
where e.instrument = :instrument and e.end_tai >= :begin_tai and e.end_tai < :end_tai
  and not exists (
    select 1 from efd_version v
    where v.instrument = e.instrument and v.exposure_id = e.exposure_id and v.property = '')
