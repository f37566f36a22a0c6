-- Read the files of publications that travel in no parcel that is made. Parameters: most. Index: publication_file_state.
select * from publication_file where state = 'loose' order by first_publication limit :most
