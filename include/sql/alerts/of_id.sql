-- Read the whole shards that may hold an alert. Parameters: alert_id. Index: alert_shard_ids.
select day_obs, number, state, alerts, min_id, max_id, files, state_at
from alert_shard
where min_id <= :alert_id and max_id >= :alert_id and state in ('loose', 'sealed')
order by max_id - min_id, day_obs, number
