-- List the inputs of a handoff.
-- Index: the primary key.
select table_name, sha256, file, size_bytes, rows, kept, overlap, quarantined, wrapped, elsewhere, twice,
       staged
from qserv_input where handoff = :handoff order by table_name, file, sha256
