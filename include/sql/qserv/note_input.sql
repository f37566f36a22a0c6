-- Insert an input, or what became of it.
-- Index: the primary key.
insert into qserv_input (handoff, table_name, sha256, file, size_bytes, rows, kept, overlap, quarantined,
                         wrapped, elsewhere, twice, staged)
values (:handoff, :table_name, :sha256, :file, :size_bytes, :rows, :kept, :overlap, :quarantined, :wrapped,
        :elsewhere, :twice, :staged)
on conflict (handoff, table_name, sha256) do update
set rows = excluded.rows, kept = excluded.kept, overlap = excluded.overlap,
    quarantined = excluded.quarantined, wrapped = excluded.wrapped, elsewhere = excluded.elsewhere,
    twice = excluded.twice, staged = excluded.staged
where excluded.staged = 1
