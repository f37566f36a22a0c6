-- Read the number of the last publication. No parameters.
select coalesce(max(publication_id), 0) as last from consdb_publication
