-- Insert or replace a check.
-- Index: the primary key.
insert into qserv_check (handoff, table_name, kind, subject, expected, observed, is_right, checked_at)
values (:handoff, :table_name, :kind, :subject, :expected, :observed, :is_right, :at)
on conflict (handoff, table_name, kind, subject) do update
set expected = excluded.expected, observed = excluded.observed, is_right = excluded.is_right,
    checked_at = excluded.checked_at
