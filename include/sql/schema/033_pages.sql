-- What the pages read: when somebody last looked or measured, and what has happened since a time.

-- The newest word on something that is not asked anew for each reader: a look, a measurement, a sum.
create table noted (
    name     text primary key,                      -- look/summit, buffers, budget
    at       timestamp with time zone not null,
    document text not null                          -- JSON
);

create index quarantine_decision on quarantine (decision, found_at);

-- Few deliveries wait at a time; many pages ask which.
create index delivery_waiting on delivery (endpoint, waits_for) where waits_for <> '';

-- What has happened lately, whatever it was.
create index delivery_event_at on delivery_event (at);
