-- Note a file of publications; it takes the place of a damaged one only. Parameters: the columns. Index: primary key.
insert into publication_file (first_publication, last_publication, kind, topic, begin_at, versions, name, version,
    size_bytes, sha256, adler32, crc32c, unit, state)
values (:first_publication, :last_publication, :kind, :topic, :begin_at, :versions, :name, :version,
    :size_bytes, :sha256, :adler32, :crc32c, '', 'loose')
on conflict (first_publication) do update
set name = excluded.name, version = excluded.version, size_bytes = excluded.size_bytes,
    sha256 = excluded.sha256, adler32 = excluded.adler32, crc32c = excluded.crc32c, unit = '', state = 'loose'
where publication_file.state = 'damaged'
