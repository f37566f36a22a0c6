-- Say how many events of an RSE are new, and when the last came. Parameters: rse. Index: inbox_new.
select count(*) as number, max(received_at) as newest from inbox where rse = :rse and state = 'new'
