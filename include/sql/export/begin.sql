-- Record that an export is being made; one that is known keeps its begin.
-- Parameters: name, order_json, endpoint, place, owner, ends_on, datasets, files, size_bytes, at, actor. Index: primary key.
insert into export (name, order_json, endpoint, place, owner, ends_on, datasets, files, size_bytes, begun_at, made_at,
                    tag_manifest_sha256, actor)
values (:name, :order_json, :endpoint, :place, :owner, :ends_on, :datasets, :files, :size_bytes, :at, null, '', :actor)
on conflict (name) do nothing
