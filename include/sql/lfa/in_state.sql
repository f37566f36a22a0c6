-- Read objects in one state, oldest first. Parameters: state, most. Index: lfa_object_state.
select * from lfa_object where state = :state order by announced_at, key limit :most
