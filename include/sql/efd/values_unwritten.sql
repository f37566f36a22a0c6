-- Read the publications of which there is no good file yet. No parameters. Index: primary keys.
select p.publication_id, p.instrument, p.begin_at, coalesce(f.version, 0) as version
from efd_publication p
left join efd_values_file f on f.publication_id = p.publication_id
where f.publication_id is null or f.state = 'damaged'
order by p.publication_id
