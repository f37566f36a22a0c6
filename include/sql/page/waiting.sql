-- Count the deliveries that wait, by what they wait for. No parameters. Index: delivery_waiting.
select endpoint, waits_for, count(*) as deliveries, min(stuck_at) as oldest
from delivery
where waits_for <> ''
group by endpoint, waits_for
order by count(*) desc, endpoint, waits_for
limit 50
