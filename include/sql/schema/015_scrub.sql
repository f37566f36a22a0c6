-- Reading every copy again, for ever: how old the last readings are, and what each run read.

create index delivery_read on delivery (endpoint, state, verified_at);

create table scrub_run (
    endpoint   text not null,
    started_at timestamp with time zone not null,
    ended_at   timestamp with time zone not null,
    copies     integer not null,
    size_bytes bigint not null,
    damaged    integer not null,
    stopped    text not null check (stopped in ('budget', 'all read', 'night', 'time', 'failure')),
    actor      text not null
);

create index scrub_run_time on scrub_run (endpoint, ended_at);
