-- List the nights of which there are units, with an endpoint's last scan of each and its open findings.
-- Parameters: endpoint, before_day. Index: unit_day_obs.
select n.day_obs, s.at as scanned_at,
       (select count(*) from finding f
        where f.day_obs = n.day_obs and f.endpoint = :endpoint
          and f.state <> 'closed' and f.policy <> 'rules-hold') as open
from (select distinct day_obs from unit where day_obs < :before_day) n
left join audit_scan s on s.day_obs = n.day_obs and s.endpoint = :endpoint
order by n.day_obs
