-- Read the refusals of nights, whatever was decided. Parameters: first_day, last_day. Index: quarantine_night.
select * from quarantine
where day_obs between :first_day and :last_day
order by found_at, refusal_id
