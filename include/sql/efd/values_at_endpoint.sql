-- Read the files of publications after one that are published at an endpoint, in order of their numbers.
-- Parameters: publication_id, endpoint. Index: primary keys.
select f.publication_id, f.name, f.sha256
from efd_values_file f
join delivery d on d.unit = f.unit and d.endpoint = :endpoint
where f.publication_id > :publication_id and f.state = 'sealed' and d.state = 'published'
order by f.publication_id
