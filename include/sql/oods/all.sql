-- Read everything. Parameters: none.
select * from oods_file order by name
