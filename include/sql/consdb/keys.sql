-- Read day and number within it of exposures. Parameters: instrument, exposure_ids (list). Index: primary key.
select exposure_id, day_obs, seq_num from consdb_exposure
where instrument = :instrument and exposure_id in :exposure_ids
