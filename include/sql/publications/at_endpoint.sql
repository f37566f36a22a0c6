-- Read the files that have publications after one and are published at an endpoint, in the order of their numbers.
-- Parameters: publication_id, endpoint. Index: primary keys.
select f.first_publication, f.last_publication, f.name, f.sha256
from publication_file f
join delivery d on d.unit = f.unit and d.endpoint = :endpoint
where f.last_publication > :publication_id and f.state = 'sealed' and d.state = 'published'
order by f.first_publication
