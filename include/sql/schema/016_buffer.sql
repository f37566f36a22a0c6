-- How much arrives at a buffer a day is read from the history.

create index delivery_event_time on delivery_event (endpoint, new_state, at);
