-- Say that a file is damaged and travels nowhere. Parameters: topic, begin_at, version. Index: primary key.
update efd_file
set state = 'damaged'
where topic = :topic and begin_at = :begin_at and version = :version and state = 'loose'
