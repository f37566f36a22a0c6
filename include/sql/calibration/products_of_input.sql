-- Name the products that an input went into. Parameters: input_id. Index: calibration_input_of.
select p.* from calibration_product p
join calibration_input i on i.product_id = p.dataset_id
where i.input_id = :input_id order by p.unit, p.detector
