-- Note a publication's file; it takes the place of a damaged one only. Parameters: the columns. Index: primary key.
insert into efd_values_file (publication_id, name, version, size_bytes, sha256, adler32, crc32c, unit, state)
values (:publication_id, :name, :version, :size_bytes, :sha256, :adler32, :crc32c, '', 'loose')
on conflict (publication_id) do update
set name = excluded.name, version = excluded.version, size_bytes = excluded.size_bytes,
    sha256 = excluded.sha256, adler32 = excluded.adler32, crc32c = excluded.crc32c, unit = '', state = 'loose'
where efd_values_file.state = 'damaged'
