-- Count the units of nights that stand alike: the same state at each endpoint. Those of which something was refused are left out.
-- A state is followed by ? where the copy was never read. Parameters: first_day, last_day, instruments (list), refused (list).
-- Index: unit_night, primary key of delivery.
select s.day_obs, s.gate, s.states, count(*) as units, min(s.unit) as unit,
       sum(case when s.part = 1 then 1 else 0 end) as exposures,
       sum(s.expected) as expected, sum(s.lacks) as lacks, max(s.moved) as moved
from (
    select u.unit, u.day_obs, u.part, u.gate, u.expected,
           case when u.missing = '[]' then 0 else 1 end as lacks, max(d.since_at) as moved,
           coalesce(string_agg(d.endpoint || '=' || d.state
                               || case when d.verified_at is null then '?' else '' end, ' '), '') as states
    from unit u
    left join delivery d on d.unit = u.unit
    where u.day_obs between :first_day and :last_day
      and u.instrument in :instruments
      and u.unit not in :refused
    group by u.unit, u.day_obs, u.part, u.gate, u.expected, u.missing
) s
group by s.day_obs, s.gate, s.states
order by s.day_obs, s.gate, s.states
