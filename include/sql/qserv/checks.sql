-- List the checks of a handoff.
-- Index: the primary key.
select table_name, kind, subject, expected, observed, is_right from qserv_check where handoff = :handoff
order by table_name, kind, subject
