-- Read what nights count, of a span. Parameters: first_day, last_day. Index: primary key.
select day_obs, issued, messages, duplicates, conflicts from alert_night
where day_obs between :first_day and :last_day order by day_obs
