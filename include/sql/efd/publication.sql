-- Read a publication. Parameters: publication_id. Index: primary key.
select * from efd_publication where publication_id = :publication_id
