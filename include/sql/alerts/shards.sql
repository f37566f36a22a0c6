-- Read a night's whole shards. Parameters: day_obs. Index: primary key.
select day_obs, number, state, alerts, min_id, max_id, files, state_at
from alert_shard where day_obs = :day_obs and state in ('loose', 'sealed') order by number
