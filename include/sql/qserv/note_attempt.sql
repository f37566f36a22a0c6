-- Insert an attempt or its new state; what is committed or aborted stays so.
-- Index: the primary key.
insert into qserv_attempt (handoff, table_name, batch, number, trans, state, changed_at)
values (:handoff, :table_name, :batch, :number, :trans, :state, :at)
on conflict (handoff, table_name, batch, number) do update
set trans = excluded.trans, state = excluded.state, changed_at = excluded.changed_at
where qserv_attempt.state in ('intended', 'started')
