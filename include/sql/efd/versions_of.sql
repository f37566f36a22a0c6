-- Read the versions that a publication brought. Parameters: publication_id. Index: efd_version_publication.
select exposure_id, property, day_obs, seq_num, row_sha256, row_check, cells, samples
from efd_version
where publication_from = :publication_id
order by exposure_id, property
