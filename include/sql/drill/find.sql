-- List the newest drills. Parameters: kind (empty for all), most. Index: drill_time.
select * from drill
where :kind = '' or kind = :kind
order by ended_at desc
limit :most
