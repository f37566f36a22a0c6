-- Count what waits for a decision, by code. No parameters. Index: none, quarantine is small.
select code, count(*) as refusals from quarantine where decision = 'held' group by code order by code
