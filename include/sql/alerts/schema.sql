-- Read a schema by which a packet was read before. Parameters: origin, number. Index: primary key.
select definition from alert_schema where origin = :origin and number = :number
