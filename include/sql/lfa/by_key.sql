-- Read objects by key. Parameters: keys (list). Index: primary key.
select * from lfa_object where key in :keys order by key
