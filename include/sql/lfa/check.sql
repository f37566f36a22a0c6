-- Record what an object's bytes are. Parameters: key, size_bytes, sha256, adler32, crc32c, md5, stamp,
-- at. Index: primary key.
update lfa_object
set state = 'checked', size_bytes = :size_bytes, sha256 = :sha256, adler32 = :adler32,
    crc32c = :crc32c, md5 = :md5, stamp = :stamp, code = '', reason = '', doubt = '',
    changed_at = :at
where key = :key and state in ('announced', 'refused')
