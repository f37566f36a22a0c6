-- Name the objects that are Butler datasets. Parameters: dataset_ids (list). Index: lfa_object_dataset.
select key, dataset_id from lfa_object where dataset_id in :dataset_ids order by key
