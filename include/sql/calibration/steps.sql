-- Read the steps of an attempt. Parameters: unit. Index: primary key.
select * from calibration_step where unit = :unit
