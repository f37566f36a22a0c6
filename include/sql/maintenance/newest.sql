-- Read the newest maintenances, the last first. Parameters: most. Index: primary key.
select * from maintenance order by number desc limit :most
