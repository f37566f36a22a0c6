-- Record that an export is whole. Parameters: name, sha256, at. Index: primary key.
update export set made_at = :at, tag_manifest_sha256 = :sha256 where name = :name and made_at is null
