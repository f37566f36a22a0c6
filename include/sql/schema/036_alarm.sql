-- Alarms: what somebody had to know, since when, whom it was told, and when it was over.

create table alarm (
    number      integer primary key,
    cause       text not null,                          -- the same cause is told once while it lasts
    code        text not null,
    what        text not null,
    place       text not null,
    next_action text not null,
    link        text not null,
    since_at    timestamp with time zone not null,
    raised_at   timestamp with time zone not null,
    ended_at    timestamp with time zone
);

create unique index alarm_open on alarm (cause) where ended_at is null;

create table alarm_told (
    number  integer not null references alarm (number),
    channel text not null,
    news    text not null check (news in ('raised', 'ended')),
    at      timestamp with time zone not null,
    primary key (number, channel, news)
);
