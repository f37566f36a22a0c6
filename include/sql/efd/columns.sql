-- Read what the places of an instrument's cells mean. Parameters: instrument. Index: primary key.
select property, field, position, datatype, unit, ucd, shown_of
from efd_column
where instrument = :instrument
order by property, position
