-- Move an attempt from one state to another. Parameters: unit, old_state, new_state, code, reason.
update calibration_attempt
set state = :new_state, code = :code, reason = :reason,
    accepted = case when :new_state in ('refused', 'withdrawn') then 0 else accepted end
where unit = :unit and state = :old_state
