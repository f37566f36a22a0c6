-- Insert what was loaded of a file at a worker; the same again changes nothing.
-- Index: the primary key.
insert into qserv_loaded (handoff, table_name, batch, attempt, chunk, overlap, part, worker, contribution, rows)
values (:handoff, :table_name, :batch, :attempt, :chunk, :overlap, :part, :worker, :contribution, :rows)
on conflict (handoff, table_name, batch, attempt, chunk, overlap, part, worker) do nothing
