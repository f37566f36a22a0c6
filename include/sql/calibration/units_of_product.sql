-- Name the attempt that made a product. Parameters: dataset_id. Index: primary key.
select unit from calibration_product where dataset_id = :dataset_id
