-- Add up the hashes of what each day had as of a publication, to be compared with another endpoint's.
-- Parameters: instrument, first_day, last_day, publication_id. Index: efd_version_night.
select v.day_obs, count(*) as versions,
       cast(sum(v.row_check / 1073741824) as bigint) as high, cast(sum(v.row_check % 1073741824) as bigint) as low
from efd_version v
where v.instrument = :instrument and v.day_obs >= :first_day and v.day_obs <= :last_day
  and v.publication_from <= :publication_id
  and not exists (
    select 1 from efd_version later
    where later.instrument = v.instrument and later.exposure_id = v.exposure_id
      and later.property = v.property and later.publication_from > v.publication_from
      and later.publication_from <= :publication_id)
group by v.day_obs
order by v.day_obs
