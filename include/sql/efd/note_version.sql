-- Add a version. Parameters: the columns.
insert into efd_version (instrument, exposure_id, property, publication_from, day_obs, seq_num,
    row_sha256, row_check, cells, samples)
values (:instrument, :exposure_id, :property, :publication_from, :day_obs, :seq_num,
    :row_sha256, :row_check, :cells, :samples)
