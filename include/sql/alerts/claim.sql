-- Take the next number of a night's shards; no row is written where somebody was quicker.
-- Parameters: day_obs, at, actor. Index: primary key.
insert into alert_shard (day_obs, number, state, alerts, min_id, max_id, files, state_at, actor)
select :day_obs, coalesce(max(number), 0) + 1, 'writing', 0, 0, 0, '{}', :at, :actor
from alert_shard where day_obs = :day_obs
on conflict do nothing
returning number
