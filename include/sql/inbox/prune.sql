-- Forget events that were dealt with long ago. Parameters: before_at. Index: inbox_age.
delete from inbox where state = 'done' and received_at < :before_at
