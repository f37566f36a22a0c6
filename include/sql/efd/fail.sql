-- Record that an hour could not be extracted. Parameters: topic, begin_at, code, reason, at. Index: primary key.
update efd_cell
set attempts = attempts + 1, code = :code, reason = :reason, changed_at = :at
where topic = :topic and begin_at = :begin_at and state = 'open'
