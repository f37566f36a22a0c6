-- Read what a channel has not been told: alarms raised, and the end of those it was told of. Parameters: channel. Index: primary keys.
select a.*, 'raised' as news
from alarm a
where a.ended_at is null
  and not exists (select 1 from alarm_told t where t.number = a.number and t.channel = :channel and t.news = 'raised')
union all
select a.*, 'ended' as news
from alarm a
join alarm_told r on r.number = a.number and r.channel = :channel and r.news = 'raised'
where a.ended_at is not null
  and not exists (select 1 from alarm_told t where t.number = a.number and t.channel = :channel and t.news = 'ended')
order by 1
