-- The canary: a synthetic exposure that goes through everything and leaves nothing; what it found, and when.

create table canary (
    number     integer primary key,
    begun_at   timestamp with time zone not null,
    ended_at   timestamp with time zone,
    outcome    text not null check (outcome in ('flying', 'through', 'stuck', 'interrupted')),
    stuck_at   text not null,
    reason     text not null,
    removed_at timestamp with time zone,
    actor      text not null
);

create index canary_removed on canary (removed_at);

create table canary_stage (
    number     integer not null references canary (number),
    stage      text not null,
    reached_at timestamp with time zone not null,
    primary key (number, stage)
);
