-- Read the files of a parcel that is not made yet. Parameters: unit. Index: efd_file_state.
select * from efd_file where state = 'loose' and unit = :unit order by topic, version
