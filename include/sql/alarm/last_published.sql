-- Say when an endpoint last published anything. Parameters: endpoint. Index: delivery_event_time.
select max(at) as at from delivery_event where endpoint = :endpoint and new_state = 'published'
