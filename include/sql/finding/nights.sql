-- List the nights of which there are units, with the oldest last scan of their endpoints.
-- Parameters: endpoints (number of endpoints), before_day. Index: unit_day_obs.
select n.day_obs,
       case when count(s.endpoint) < :endpoints then null else min(s.at) end as scanned_at,
       (select count(*) from finding f
        where f.day_obs = n.day_obs and f.state <> 'closed' and f.policy <> 'rules-hold') as open
from (select distinct day_obs from unit where day_obs < :before_day) n
left join audit_scan s on s.day_obs = n.day_obs
group by n.day_obs
order by n.day_obs
