-- Read the files of publications that travel in no parcel that is made. Parameters: most. Index: efd_values_file_state.
select f.*, p.instrument, p.begin_at, p.versions
from efd_values_file f
join efd_publication p on p.publication_id = f.publication_id
where f.state = 'loose'
order by f.publication_id
limit :most
