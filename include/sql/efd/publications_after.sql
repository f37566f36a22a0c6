-- Read when publications after one were made, in their order. Parameters: publication_id. Index: primary key.
select publication_id, at from efd_publication where publication_id > :publication_id order by publication_id
