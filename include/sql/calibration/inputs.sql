-- Read what went into an attempt's products. Parameters: unit. Index: calibration_product_unit.
select i.* from calibration_input i
join calibration_product p on p.dataset_id = i.product_id
where p.unit = :unit order by i.product_id, i.input_id
