-- Read the identity of products. Parameters: ids. Index: primary key.
select dataset_id, sha256 from calibration_product where dataset_id in :ids
