-- The durable inbox of events: stored first, acknowledged after, read by whoever delivers.

create table inbox (
    event_id    text primary key,                   -- the same event has the same, however often it comes
    received_at timestamp with time zone not null,
    source      text not null,                      -- hermes, or kafka and the topic
    event_type  text not null,
    rse         text not null,
    scope       text not null,
    name        text not null,
    unit        text not null,                      -- empty where the event does not tell
    state       text not null check (state in ('new', 'done', 'poison')),
    code        text not null,
    reason      text not null,
    payload     text not null                       -- as it came; of a poison event its beginning
);

create index inbox_new on inbox (rse, state, received_at);

create index inbox_age on inbox (state, received_at);
