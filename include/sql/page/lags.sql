-- Sum up, for each night and endpoint, how long raw units took from their last file to their publication, and
-- how long the others have waited. A quantile is the nearest rank: a time that a unit really took.
-- Parameters: first_day, last_day, endpoints (list), limit_us, before_at (what was whole by then and is open is late).
-- Index: unit_day_obs, primary key of delivery.
with took as (
    select u.day_obs, d.endpoint, u.changed_at,
           microseconds(d.since_at) - microseconds(u.changed_at) as took_us,
           case when d.state = 'published' then 'published'
                when d.state = 'released' then 'released' else 'open' end as stand
    from unit u
    join delivery d on d.unit = u.unit
    where u.kind = 'raw' and u.day_obs between :first_day and :last_day and d.endpoint in :endpoints
), ranked as (
    select took.*, count(*) over (partition by day_obs, endpoint, stand) as units,
           row_number() over (partition by day_obs, endpoint, stand order by took_us) as place
    from took
)
select day_obs, endpoint,
       sum(case when stand = 'published' then 1 else 0 end) as published,
       sum(case when stand = 'open' then 1 else 0 end) as waiting,
       max(case when stand = 'published' and place = (50 * units + 99) / 100 then took_us end) as p50_us,
       max(case when stand = 'published' and place = (95 * units + 99) / 100 then took_us end) as p95_us,
       max(case when stand = 'published' then took_us end) as max_us,
       min(case when stand = 'open' then changed_at end) as oldest_open,
       sum(case when stand = 'published' and took_us > :limit_us then 1
                when stand = 'open' and changed_at < :before_at then 1 else 0 end) as late
from ranked
group by day_obs, endpoint
order by day_obs desc, endpoint
