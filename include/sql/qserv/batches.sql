-- List the batches of a handoff.
-- Index: the primary key.
select distinct table_name, batch from qserv_file where handoff = :handoff order by table_name, batch
