-- Insert a chunk file.
insert into qserv_file (handoff, table_name, batch, chunk, overlap, part, path, rows, size_bytes, digest)
values (:handoff, :table_name, :batch, :chunk, :overlap, :part, :path, :rows, :size_bytes, :digest)
