-- Record what a unit's bundle is. A sealed unit changes only while no copy of it was verified yet.
-- Parameters: unit, manifest_sha256, bundle_*, missing, arrived, size_bytes. Index: primary keys.
update unit
set manifest_sha256 = :manifest_sha256, bundle_bytes = :bundle_bytes,
    bundle_sha256 = :bundle_sha256, bundle_adler32 = :bundle_adler32,
    bundle_crc32c = :bundle_crc32c, missing = :missing, arrived = :arrived, gate = '',
    files = 2, size_bytes = :size_bytes
where unit = :unit
  and (manifest_sha256 = ''
       or not exists (select 1 from delivery d
                      where d.unit = :unit and d.verified_at is not null))
  and manifest_sha256 <> :manifest_sha256
