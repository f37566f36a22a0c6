-- Read the hashes of the newest versions of exposures. Parameters: exposure_ids (list), instrument.
-- Index: primary key.
select v.exposure_id, v.row_sha256
from consdb_exposure_version v
where v.instrument = :instrument and v.exposure_id in :exposure_ids
  and not exists (
    select 1 from consdb_exposure_version later
    where later.instrument = v.instrument and later.exposure_id = v.exposure_id
      and later.publication_from > v.publication_from)
