-- Note a file, which is never changed from then on. Parameters: the columns. Index: primary key.
insert into efd_file (topic, begin_at, version, name, rows_written, first_ns, last_ns, content_sha256,
                      schema_sha256, notes, size_bytes, sha256, adler32, crc32c, unit, state, extracted_at,
                      actor)
values (:topic, :begin_at, :version, :name, :rows_written, :first_ns, :last_ns, :content_sha256,
        :schema_sha256, :notes, :size_bytes, :sha256, :adler32, :crc32c, '', 'loose', :at, :actor)
