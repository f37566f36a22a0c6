-- Read publications of exposures by their numbers. Parameters: first, last. Index: primary key.
select * from consdb_publication where publication_id between :first and :last order by publication_id
