-- Read the newest alarms, open or over. Parameters: most. Index: primary key.
select * from alarm order by number desc limit :most
