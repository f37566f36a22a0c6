-- Read the files of publications of exposures that are to be written anew. No parameters. Index: publication_file_state.
select first_publication, last_publication, begin_at, versions, version
from publication_file
where kind = 'exposures' and state = 'damaged'
order by first_publication
