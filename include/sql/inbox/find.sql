-- List events, newest first. Parameters: state, rse (empty for any), most. Index: inbox_age.
select * from inbox
where (:state = '' or state = :state) and (:rse = '' or rse = :rse)
order by received_at desc, event_id limit :most
