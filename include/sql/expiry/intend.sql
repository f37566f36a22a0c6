-- Record that something is to be taken away. Parameters: the columns, at. Index: primary key.
insert into expiry (endpoint, subject, day_obs, rule, size_bytes, state, intended_at, since_at, actor)
values (:endpoint, :subject, :day_obs, :rule, :size_bytes, 'intended', :at, :at, :actor)
on conflict (endpoint, subject) do update
set rule = excluded.rule, size_bytes = excluded.size_bytes, state = excluded.state,
    intended_at = excluded.intended_at, since_at = excluded.since_at, actor = excluded.actor
