-- Read the hash of every row that days had as of a publication. Parameters: first_day, last_day, publication_id.
-- Indexes: consdb_exposure_night, consdb_member_night, exposure_log_night, and the primary keys for what came later.
select day_obs, instrument, table_name, subject, row_sha256
from consdb_row
where day_obs between :first_day and :last_day and publication_from <= :publication_id
  and (publication_to is null or publication_to > :publication_id)
order by day_obs, instrument, table_name, subject
