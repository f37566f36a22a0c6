-- Say what a shard holds, once its files are whole.
-- Parameters: day_obs, number, alerts, min_id, max_id, files, at. Index: primary key.
update alert_shard
set state = 'loose', alerts = :alerts, min_id = :min_id, max_id = :max_id, files = :files, state_at = :at
where day_obs = :day_obs and number = :number and state = 'writing'
