-- Read the files of a parcel that is not made yet. Parameters: unit. Index: efd_values_file_state.
select f.*, p.instrument, p.begin_at, p.versions
from efd_values_file f
join efd_publication p on p.publication_id = f.publication_id
where f.state = 'loose' and f.unit = :unit
order by f.publication_id
