-- Insert a unit, or update what changes while its files arrive; a sealed unit stays as it is.
-- Parameters: the columns. Index: primary key.
insert into unit (unit, kind, instrument, day_obs, obs_id, part, expected, arrived, changed_at)
values (:unit, :kind, :instrument, :day_obs, :obs_id, :part, :expected, :arrived, :changed_at)
on conflict (unit) do update
set expected = excluded.expected, arrived = excluded.arrived, changed_at = excluded.changed_at
where unit.manifest_sha256 = ''
