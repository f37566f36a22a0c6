-- Read the files that travel in no parcel yet, or in one that is not made yet. Parameters: most. Index: efd_file_state.
select * from efd_file where state = 'loose' order by begin_at, topic, version limit :most
