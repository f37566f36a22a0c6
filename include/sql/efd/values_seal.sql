-- Say that a parcel is made of its files. Parameters: unit. Index: efd_values_file_state.
update efd_values_file set state = 'sealed' where state = 'loose' and unit = :unit
