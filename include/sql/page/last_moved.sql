-- Tell when something last reached a state at an endpoint. Parameters: endpoint, state. Index: delivery_event_time.
select max(at) as moved from delivery_event where endpoint = :endpoint and new_state = :state
