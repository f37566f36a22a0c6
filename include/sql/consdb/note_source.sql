-- Remember of which manifest a unit's rows were made. Parameters: the columns. Index: primary key.
insert into consdb_source (unit, manifest_sha256)
values (:unit, :manifest_sha256)
on conflict (unit) do update set manifest_sha256 = excluded.manifest_sha256
