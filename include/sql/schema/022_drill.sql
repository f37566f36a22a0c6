-- What was shown by doing it: places burnt and rebuilt, databases restored, damage planted and found.

create table drill (
    kind       text not null check (kind in ('endpoint', 'ledger', 'database', 'corruptions')),
    subject    text not null,
    started_at timestamp with time zone not null,
    ended_at   timestamp with time zone not null,
    units      integer not null,
    files      integer not null,
    size_bytes bigint not null,
    seconds    double precision not null,
    result     text not null check (result in ('passed', 'failed')),
    wrong      integer not null,
    detail     text not null,
    actor      text not null
);

create index drill_time on drill (kind, ended_at);
