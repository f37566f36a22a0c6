-- Forget an attempt's products. Parameters: unit. Index: calibration_product_unit.
delete from calibration_product where unit = :unit
