-- Decide in which parcel a file travels. Parameters: first_publication, unit. Index: primary key.
update publication_file set unit = :unit
where first_publication = :first_publication and unit = '' and state = 'loose'
