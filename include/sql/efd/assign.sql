-- Decide in which parcel a file travels. Parameters: topic, begin_at, version, unit. Index: primary key.
update efd_file
set unit = :unit
where topic = :topic and begin_at = :begin_at and version = :version and unit = '' and state = 'loose'
