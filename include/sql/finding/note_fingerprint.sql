-- Keep the fingerprint of a unit's datasets. Parameters: the columns. Index: primary key.
insert into unit_datasets (unit, manifest_sha256, fingerprint)
values (:unit, :manifest_sha256, :fingerprint)
on conflict (unit) do update set
    manifest_sha256 = excluded.manifest_sha256, fingerprint = excluded.fingerprint
