-- Say that events are dealt with. Parameters: event_ids (list). Index: primary key.
update inbox set state = 'done' where event_id in :event_ids and state = 'new'
