-- Have events looked at again. Parameters: event_ids (list). Index: primary key.
update inbox set state = 'new', code = '', reason = '' where event_id in :event_ids and rse <> ''
