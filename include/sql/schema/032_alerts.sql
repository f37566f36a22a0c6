-- The archive of alert packets: its shards, how far the stream was taken, and what nights count.

create table alert_shard (
    day_obs   integer not null,                     -- of the observations
    number    integer not null,                     -- within the night
    state     text not null check (state in ('writing', 'loose', 'sealed', 'damaged')),
    alerts    integer not null,
    min_id    bigint not null,                      -- of its alerts
    max_id    bigint not null,
    files     text not null,                        -- JSON: names within the scope `files`, and identities
    state_at  timestamp with time zone not null,
    actor     text not null,
    primary key (day_obs, number)
);

create index alert_shard_ids on alert_shard (min_id, max_id);

create index alert_shard_state on alert_shard (state);

create table alert_offset (
    topic       text not null,
    partition   integer not null,
    next_offset bigint not null,                    -- all before it is archived, known or in quarantine
    lost        bigint not null,                    -- how many left the stream before they were taken
    primary key (topic, partition)
);

create table alert_night (
    day_obs    integer primary key,
    issued     bigint,                              -- as the producer says; null: it has not yet
    messages   bigint not null,                     -- that the stream, or the alert database, gave
    duplicates bigint not null,                     -- of these, the same packet once more
    conflicts  bigint not null                      -- of these, another packet under the same id
);
