-- Read the publications of exposures after those that have a file. No parameters.
-- Indexes: primary key, publication_file_last.
select publication_id, at, versions
from consdb_publication
where publication_id > (select coalesce(max(last_publication), 0) from publication_file where kind = 'exposures')
order by publication_id
