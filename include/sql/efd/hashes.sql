-- Read the hash of the latest version of every property of some exposures.
-- Parameters: instrument, exposure_ids. Index: primary key.
select v.exposure_id, v.property, v.row_sha256
from efd_version v
where v.instrument = :instrument and v.exposure_id in :exposure_ids
  and not exists (
    select 1 from efd_version later
    where later.instrument = v.instrument and later.exposure_id = v.exposure_id
      and later.property = v.property and later.publication_from > v.publication_from)
