-- Read quarantine rows. Parameters (empty or 0 for all): day_obs, unit, decision.
-- Index: quarantine_night, quarantine_unit.
select * from quarantine
where (:day_obs = 0 or day_obs = :day_obs)
  and (:unit = '' or unit = :unit)
  and (:decision = '' or decision = :decision)
order by found_at, refusal_id
