-- Read checked objects that have no parcel. Parameters: most. Index: lfa_object_state.
select * from lfa_object
where state = 'checked' and unit = '' order by announced_at, key limit :most
