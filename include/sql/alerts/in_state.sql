-- Read the shards in a state, up to a time. Parameters: state, until_at. Index: alert_shard_state.
select day_obs, number, state, alerts, min_id, max_id, files, state_at
from alert_shard where state = :state and state_at <= :until_at order by day_obs, number
