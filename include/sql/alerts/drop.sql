-- Forget a shard whose writer was killed, so that the next killed writer's is told from it.
-- Parameters: day_obs, number. Index: primary key.
delete from alert_shard where day_obs = :day_obs and number = :number and state = 'writing'
