-- Read the publications of values of which there is no good file yet. No parameters. Index: primary keys.
select p.publication_id as first_publication, p.publication_id as last_publication, p.instrument, p.begin_at,
       p.versions, coalesce(f.version, 0) as version
from efd_publication p
left join publication_file f on f.first_publication = p.publication_id
where f.first_publication is null or f.state = 'damaged'
order by p.publication_id
