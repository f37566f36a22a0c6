-- Read the number of the last publication. No parameters. Index: none, one row.
select last from efd_publication_counter
