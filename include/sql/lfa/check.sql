-- Record what an object's bytes are. If an event has declared something while it was copied, it is
-- compared. Parameters: key, size_bytes, sha256, adler32, crc32c, md5, stamp, known_bytes and known_md5
-- (what was declared before), at. Index: primary key.
update lfa_object
set state = 'checked', size_bytes = :size_bytes, sha256 = :sha256, adler32 = :adler32,
    crc32c = :crc32c, md5 = :md5, stamp = :stamp, code = '', reason = '', changed_at = :at,
    doubt = case when coalesce(declared_bytes, -1) <> coalesce(:known_bytes, -1)
                   or declared_md5 <> :known_md5
            then 'an event declares something else' else '' end
where key = :key and state in ('announced', 'refused')
