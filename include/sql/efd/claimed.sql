-- Read the version that was taken last. Parameters: topic, begin_at. Index: primary key.
select claimed from efd_cell where topic = :topic and begin_at = :begin_at
