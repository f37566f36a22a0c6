-- Decide in which parcel a file travels. Parameters: publication_id, unit. Index: primary key.
update efd_values_file set unit = :unit where publication_id = :publication_id and unit = '' and state = 'loose'
