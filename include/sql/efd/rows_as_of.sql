-- Read the versions of a day that a publication, or one before it, had brought.
-- Parameters: instrument, day_obs, publication_id. Index: efd_version_night.
select v.exposure_id, v.property, v.publication_from, v.row_sha256, v.cells, v.samples
from efd_version v
where v.instrument = :instrument and v.day_obs = :day_obs and v.publication_from <= :publication_id
  and not exists (
    select 1 from efd_version later
    where later.instrument = v.instrument and later.exposure_id = v.exposure_id
      and later.property = v.property and later.publication_from > v.publication_from
      and later.publication_from <= :publication_id)
order by v.exposure_id, v.property
