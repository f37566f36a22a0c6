-- Keep what a cache served; again is a no-op, and the archive's answer is filled in when it is known.
-- Parameters: the columns. Index: primary key.
insert into oods_dataset (endpoint, name, instrument, day_obs, obs_id, detector, size_bytes, sha256,
                          dataset_id, served_at, archive_dataset_id, answer)
values (:endpoint, :name, :instrument, :day_obs, :obs_id, :detector, :size_bytes, :sha256,
        :dataset_id, :served_time, :archive_dataset_id, :answer)
on conflict (endpoint, name) do update
set archive_dataset_id = excluded.archive_dataset_id, answer = excluded.answer
where oods_dataset.answer = ''
