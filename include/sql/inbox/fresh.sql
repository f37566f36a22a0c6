-- Read the events of an RSE that nobody has dealt with, oldest first. Parameters: rse, most.
-- Index: inbox_new.
select * from inbox where rse = :rse and state = 'new' order by received_at, event_id limit :most
