-- Note what went into a product. Parameters: the columns. Index: primary key.
insert into calibration_input (product_id, input_id, sha256, kind)
values (:product_id, :input_id, :sha256, :kind)
on conflict (product_id, input_id) do nothing
