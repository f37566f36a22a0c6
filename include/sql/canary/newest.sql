-- Read the newest canaries. Parameters: most. Index: primary key.
select * from canary order by number desc limit :most
