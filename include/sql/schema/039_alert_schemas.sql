-- Schemas by which alert packets were read: what is known once is not asked of the registry again.

create table alert_schema (
    origin     text not null,                       -- the registry's address, or the alert database
    number     bigint not null,                     -- within it
    definition text not null,                       -- JSON
    kept_at    timestamp with time zone not null,
    actor      text not null,
    primary key (origin, number)
);
