-- Read the deliveries of units. Parameters: units (list). Index: primary key.
select * from delivery where unit in :units order by unit, endpoint
