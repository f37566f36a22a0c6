-- Move expiries on, each guarded by its state.
-- Parameters: endpoint, subjects (list), old_state, new_state, at. Index: primary key.
update expiry set state = :new_state, since_at = :at
where endpoint = :endpoint and subject in :subjects and state = :old_state
