-- Note a product; one that is known stays. Parameters: the columns. Index: primary key.
insert into calibration_product (dataset_id, unit, detector, name, sha256)
values (:dataset_id, :unit, :detector, :name, :sha256)
on conflict (dataset_id) do nothing
