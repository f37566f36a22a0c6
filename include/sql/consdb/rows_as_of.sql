-- Read the hash of every row that days had as of a publication.
-- Parameters: first_day, last_day, publication_id. Indexes: consdb_exposure_night, consdb_member_night, exposure_log_night.
select v.day_obs, v.instrument, 'exposure' as table_name, cast(v.exposure_id as text) as subject, v.row_sha256, v.row_check
from consdb_exposure_version v
where v.day_obs between :first_day and :last_day and v.publication_from <= :publication_id
  and not exists (
    select 1 from consdb_exposure_version later
    where later.instrument = v.instrument and later.exposure_id = v.exposure_id and later.publication_from > v.publication_from
      and later.publication_from <= :publication_id)
union all
select v.day_obs, v.instrument, v.table_name as table_name, cast(v.exposure_id as text) as subject, v.row_sha256, v.row_check
from consdb_member_version v
where v.day_obs between :first_day and :last_day and v.publication_from <= :publication_id
  and not exists (
    select 1 from consdb_member_version later
    where later.instrument = v.instrument and later.table_name = v.table_name and later.exposure_id = v.exposure_id and later.publication_from > v.publication_from
      and later.publication_from <= :publication_id)
union all
select v.day_obs, v.instrument, 'exposure_log' as table_name, v.message_id as subject, v.row_sha256, v.row_check
from exposure_log_version v
where v.day_obs between :first_day and :last_day and v.publication_from <= :publication_id
  and not exists (
    select 1 from exposure_log_version later
    where later.message_id = v.message_id and later.publication_from > v.publication_from
      and later.publication_from <= :publication_id)
order by 1, 2, 3, 4
