-- Move deliveries from one state to another, each guarded by its state.
-- Parameters: units (list), endpoint, old_state, new_state, at, reason. Index: primary key.
update delivery
set state = :new_state, since_at = :at, version = version + 1, reason = :reason,
    verified_at = case when :new_state = 'verified' then :at else verified_at end,
    waits_for = '', stuck_at = null, read_again_at = null
where unit in :units and endpoint = :endpoint and state = :old_state
returning unit, version
