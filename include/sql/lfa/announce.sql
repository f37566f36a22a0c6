-- Note an object; one that is known stays as it is. Parameters: the columns. Index: primary key.
insert into lfa_object (key, bucket, csc, generator, mime_type, day_obs, obs_id, declared_bytes,
                        declared_md5, source, action, is_known, state, code, reason, size_bytes,
                        sha256, adler32, crc32c, unit, announced_at, changed_at, due_at)
values (:key, :bucket, :csc, :generator, :mime_type, :day_obs, :obs_id, :declared_bytes,
        :declared_md5, :source, :action, :is_known, 'announced', '', '', null, '', '', '', '',
        :at, :at, :at)
on conflict (key) do nothing
