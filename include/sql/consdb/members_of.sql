-- Read the versions of exposures' rows of tables that publications brought. Parameters: first, last.
-- Index: consdb_member_publication.
select * from consdb_member_version
where publication_from between :first and :last
order by publication_from, instrument, table_name, exposure_id
