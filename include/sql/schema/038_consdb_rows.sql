-- Every version of every row of exposures with its hash, and the publications from and up to which it stands.

create view consdb_row as
select v.day_obs, v.instrument, 'exposure' as table_name, cast(v.exposure_id as text) as subject,
       v.row_sha256, v.row_check, v.publication_from,
       (select min(later.publication_from) from consdb_exposure_version later
        where later.instrument = v.instrument and later.exposure_id = v.exposure_id
          and later.publication_from > v.publication_from) as publication_to
from consdb_exposure_version v
union all
select v.day_obs, v.instrument, v.table_name, cast(v.exposure_id as text),
       v.row_sha256, v.row_check, v.publication_from,
       (select min(later.publication_from) from consdb_member_version later
        where later.instrument = v.instrument and later.table_name = v.table_name
          and later.exposure_id = v.exposure_id and later.publication_from > v.publication_from)
from consdb_member_version v
union all
select v.day_obs, v.instrument, 'exposure_log', v.message_id,
       v.row_sha256, v.row_check, v.publication_from,
       (select min(later.publication_from) from exposure_log_version later
        where later.message_id = v.message_id and later.publication_from > v.publication_from)
from exposure_log_version v;
