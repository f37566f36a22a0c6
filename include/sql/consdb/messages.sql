-- List messages, in the order in which they began; with_all: also those taken back, and older versions.
-- Parameters: first_day, last_day, obs_id (empty: all), message_id (empty: all), flag (empty: all), with_all (0 or 1).
-- Index: exposure_log_night.
select v.*
from exposure_log_version v
where v.day_obs between :first_day and :last_day
  and (:obs_id = '' or v.obs_id = :obs_id)
  and (:message_id = '' or v.message_id = :message_id)
  and (:flag = '' or v.exposure_flag = :flag)
  and (:with_all = 1 or v.is_valid)
  and (:with_all = 1 or not exists (
    select 1 from exposure_log_version later
    where later.message_id = v.message_id and later.publication_from > v.publication_from))
order by v.day_obs, v.obs_id, v.publication_from, v.message_id
