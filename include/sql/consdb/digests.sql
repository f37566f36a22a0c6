-- Add up the hashes of what days had as of a publication, to be compared with another endpoint's.
-- Parameters: first_day, last_day, publication_id. Indexes: as of rows_as_of.
select day_obs, instrument, table_name, count(*) as versions,
       cast(sum(row_check / 1073741824) as bigint) as high, cast(sum(row_check % 1073741824) as bigint) as low
from consdb_row
where day_obs between :first_day and :last_day and publication_from <= :publication_id
  and (publication_to is null or publication_to > :publication_id)
group by day_obs, instrument, table_name
order by day_obs, instrument, table_name
