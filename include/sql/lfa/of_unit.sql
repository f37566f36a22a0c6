-- Read the objects of a parcel. Parameters: unit. Index: lfa_object_unit.
select * from lfa_object where unit = :unit order by key
