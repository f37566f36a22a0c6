-- Append one event to the history. Parameters: the columns. Index: primary key.
insert into delivery_event (unit, endpoint, version, at, old_state, new_state, reason, actor)
values (:unit, :endpoint, :version, :at, :old_state, :new_state, :reason, :actor)
