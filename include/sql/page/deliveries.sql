-- Read the deliveries of a night. Parameters: day_obs. Index: unit_day_obs, primary key.
select d.unit, d.endpoint, d.state, d.since_at, d.version, d.reason, d.rule_id, d.verified_at, d.waits_for,
       d.stuck_at, d.read_again_at
from unit u
join delivery d on d.unit = u.unit
where u.day_obs = :day_obs
