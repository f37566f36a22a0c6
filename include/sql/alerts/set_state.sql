-- Say that a shard is sealed into a parcel, or damaged.
-- Parameters: day_obs, number, state, at. Index: primary key.
update alert_shard set state = :state, state_at = :at where day_obs = :day_obs and number = :number
