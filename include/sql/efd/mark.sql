-- Say what is wrong with an hour's source, or that nothing is any more; the hour stays as it is.
-- Parameters: topic, begin_at, code, reason, at. Index: primary key.
update efd_cell
set code = :code, reason = :reason, changed_at = :at
where topic = :topic and begin_at = :begin_at and state <> 'open' and code <> :code
