-- Read the alarms that are open, the oldest first. No parameters. Index: alarm_open.
select * from alarm where ended_at is null order by number
