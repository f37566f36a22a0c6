-- Record what became of an image. Parameters: the columns. Index: primary key.
insert into oods_file (name, instrument, day_obs, obs_id, detector, size_bytes, sha256, dataset_id,
                       state, code, reason, changed_at, served_at, merged)
values (:name, :instrument, :day_obs, :obs_id, :detector, :size_bytes, :sha256, :dataset_id,
        :state, :code, :reason, :changed_time, :served_time, :merged)
on conflict (name) do update
set size_bytes = excluded.size_bytes, sha256 = excluded.sha256, dataset_id = excluded.dataset_id,
    state = excluded.state, code = excluded.code, reason = excluded.reason,
    changed_at = excluded.changed_at, served_at = excluded.served_at, merged = excluded.merged
