-- Read an attempt's history. Parameters: unit. Index: primary key.
select * from calibration_event where unit = :unit order by number
