-- Read the history of a unit, in order. Parameters: unit. Index: primary key.
select * from delivery_event where unit = :unit order by at, endpoint, version
