-- Add a version of an exposure's rows of a table. Parameters: the columns.
insert into consdb_member_version (instrument, table_name, exposure_id, publication_from, day_obs,
    seq_num, members, row_sha256, row_check)
values (:instrument, :table_name, :exposure_id, :publication_from, :day_obs,
    :seq_num, :members, :row_sha256, :row_check)
