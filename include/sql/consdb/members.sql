-- Read the newest rows of a table of some exposures. Parameters: instrument, table_name,
-- exposure_ids (list). Index: primary key.
select v.exposure_id, v.row_sha256, v.members
from consdb_member_version v
where v.instrument = :instrument and v.table_name = :table_name and v.exposure_id in :exposure_ids
  and not exists (
    select 1 from consdb_member_version later
    where later.instrument = v.instrument and later.table_name = v.table_name
      and later.exposure_id = v.exposure_id and later.publication_from > v.publication_from)
