-- Read the files of a parcel that is not made yet. Parameters: unit. Index: publication_file_state.
select * from publication_file where state = 'loose' and unit = :unit order by first_publication
