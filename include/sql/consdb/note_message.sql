-- Add a version of a message. Parameters: the columns.
insert into exposure_log_version (message_id, publication_from, instrument, obs_id, exposure_id,
    day_obs, seq_num, message_text, exposure_flag, tags, user_id, date_added, is_valid,
    row_sha256, row_check)
values (:message_id, :publication_from, :instrument, :obs_id, :exposure_id,
    :day_obs, :seq_num, :message_text, :exposure_flag, :tags, :user_id, :at, :is_valid,
    :row_sha256, :row_check)
