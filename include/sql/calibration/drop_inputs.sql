-- Forget what went into an attempt's products. Parameters: unit. Index: calibration_product_unit.
delete from calibration_input
where product_id in (select dataset_id from calibration_product where unit = :unit)
