-- Keep an event; one that came before stays as it is. Parameters: the columns. Index: primary key.
insert into inbox (event_id, received_at, source, event_type, rse, scope, name, unit, state, code,
                   reason, payload)
values (:event_id, :received_at, :source, :event_type, :rse, :scope, :name, :unit, :state, :code,
        :reason, :payload)
on conflict (event_id) do nothing
