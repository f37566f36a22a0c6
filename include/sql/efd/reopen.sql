-- Have an hour extracted again. Parameters: topic, begin_at, code, reason, at. Index: primary key.
update efd_cell
set state = 'open', code = :code, reason = :reason, attempts = 0, changed_at = :at
where topic = :topic and begin_at = :begin_at and state <> 'open'
