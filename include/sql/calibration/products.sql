-- Read an attempt's products. Parameters: unit. Index: calibration_product_unit.
select * from calibration_product where unit = :unit order by detector
