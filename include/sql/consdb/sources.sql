-- Read of which manifests the rows of units were made. Parameters: units (list). Index: primary key.
select unit, manifest_sha256 from consdb_source where unit in :units
