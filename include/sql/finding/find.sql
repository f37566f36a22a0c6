-- List findings. Parameters: first_day, last_day, endpoint (empty for all), with_closed (0 or 1).
-- Index: finding_night.
select * from finding
where day_obs between :first_day and :last_day
  and (:endpoint = '' or endpoint = :endpoint)
  and (:with_closed = 1 or state <> 'closed')
order by day_obs, endpoint, subject, discrepancy
