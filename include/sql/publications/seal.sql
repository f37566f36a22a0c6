-- Say that a parcel is made of its files. Parameters: unit. Index: publication_file_state.
update publication_file set state = 'sealed' where state = 'loose' and unit = :unit
