-- Keep which regions a unit touches. Parameters: unit, version, regions. Index: primary key.
insert into unit_regions (unit, version, regions)
values (:unit, :version, :regions)
on conflict (unit) do update set version = excluded.version, regions = excluded.regions
