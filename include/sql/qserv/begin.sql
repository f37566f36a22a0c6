-- Insert a handoff, or begin again one that was rolled back or only planned.
-- Index: the primary key.
insert into qserv_handoff (handoff, release, endpoint, database, plan_sha256, stage, changed_at, actor)
values (:handoff, :release, :endpoint, :database, :plan_sha256, 'planned', :at, :actor)
on conflict (handoff) do update
set database = excluded.database, plan_sha256 = excluded.plan_sha256, stage = 'planned',
    changed_at = excluded.changed_at, actor = excluded.actor
where qserv_handoff.stage in ('planned', 'rolled back')
