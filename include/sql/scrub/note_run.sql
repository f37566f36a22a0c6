-- Record what a run read. Parameters: endpoint, started_at, ended_at, copies, size_bytes, damaged, stopped, actor.
insert into scrub_run (endpoint, started_at, ended_at, copies, size_bytes, damaged, stopped, actor)
values (:endpoint, :started_at, :ended_at, :copies, :size_bytes, :damaged, :stopped, :actor)
