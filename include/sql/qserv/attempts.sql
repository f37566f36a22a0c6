-- List the attempts of a handoff.
-- Index: the primary key.
select table_name, batch, number, trans, state from qserv_attempt where handoff = :handoff
order by table_name, batch, number
