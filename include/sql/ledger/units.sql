-- Read units by name. Parameters: units (list). Index: primary key.
select * from unit where unit in :units order by unit
