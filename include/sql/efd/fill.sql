-- Record what an hour of a topic is. Index: primary key.
-- Parameters: topic, begin_at, state, code, reason, version, points, seq_sum, last_at, at.
update efd_cell
set state = :state, code = :code, reason = :reason, attempts = 0, version = :version, points = :points,
    seq_sum = :seq_sum, last_at = :last_at, changed_at = :at
where topic = :topic and begin_at = :begin_at
