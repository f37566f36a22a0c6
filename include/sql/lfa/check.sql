-- Record what an object's bytes are. Parameters: key, size_bytes, sha256, adler32, crc32c, at.
update lfa_object
set state = 'checked', size_bytes = :size_bytes, sha256 = :sha256, adler32 = :adler32,
    crc32c = :crc32c, code = '', reason = '', changed_at = :at
where key = :key and state in ('announced', 'refused')
