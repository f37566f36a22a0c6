-- Read when publications after one were made, of telemetry and of exposures, in their order.
-- Parameters: publication_id. Index: primary keys.
select publication_id, at from efd_publication where publication_id > :publication_id
union all
select publication_id, at from consdb_publication where publication_id > :publication_id
order by publication_id
