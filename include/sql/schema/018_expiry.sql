-- What may go from caches: pins that hold it, and each intention to take something away, before it is
-- acted on. And whether a published copy was read a second time, before the source lets go.

alter table delivery add column read_again_at timestamp with time zone;

-- One row that every intention and every pin changes first: one after the other they look and write.
create table expiry_gate (
    gate   integer primary key check (gate = 1),
    passes bigint not null
);

insert into expiry_gate (gate, passes) values (1, 0);

create table pin (
    pin_id    text primary key,
    subject   text not null,                        -- a unit, an image, or the folder of some
    endpoint  text not null,                        -- empty: everywhere
    owner     text not null,
    reason    text not null,
    pinned_at timestamp with time zone not null,
    until_at  timestamp with time zone not null     -- unpinning brings it forward; no row is deleted
);

create index pin_until on pin (until_at);

create table expiry (
    endpoint    text not null,
    subject     text not null,                      -- a unit, or an image of a cache
    day_obs     integer not null,
    rule        text not null,
    size_bytes  bigint not null,
    state       text not null check (state in ('intended', 'withdrawn', 'ended', 'gone', 'void')),
    intended_at timestamp with time zone not null,
    since_at    timestamp with time zone not null,
    actor       text not null,
    primary key (endpoint, subject)
);

create index expiry_open on expiry (endpoint, state);
