-- Insert the unit of a parcel; one that exists changes only while no copy of it was verified.
-- Parameters: the columns. Index: primary keys.
insert into unit (unit, kind, instrument, day_obs, obs_id, part, expected, arrived, changed_at,
                  manifest_sha256, gate, files, size_bytes)
values (:unit, :kind, :instrument, :day_obs, :obs_id, 1, :files, :files, :changed_at,
        :manifest_sha256, 'passed', :travelling, :size_bytes)
on conflict (unit) do update
set expected = excluded.expected, arrived = excluded.arrived, changed_at = excluded.changed_at,
    manifest_sha256 = excluded.manifest_sha256, files = excluded.files,
    size_bytes = excluded.size_bytes
where unit.manifest_sha256 <> excluded.manifest_sha256
  and not exists (select 1 from delivery d
                  where d.unit = unit.unit and d.verified_at is not null)
