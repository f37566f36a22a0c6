-- List the chunk files of a batch.
-- Index: the primary key.
select chunk, overlap, part, path, rows, size_bytes, digest
from qserv_file where handoff = :handoff and table_name = :table_name and batch = :batch
order by chunk, overlap, part
