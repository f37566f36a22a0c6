-- Read the served images that the archive has not answered for. Parameters: none.
select * from oods_file where state = 'served' and merged = '' order by name
