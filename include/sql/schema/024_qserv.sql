-- Catalogues handed over to Qserv: from Parquet file to chunk file to transaction to check.

create table qserv_handoff (
    handoff     text primary key,                   -- release@endpoint
    release     text not null,
    endpoint    text not null,
    database    text not null,
    plan_sha256 text not null,
    stage       text not null check (stage in ('planned', 'partitioned', 'registered', 'loaded',
                                               'reconciled', 'published', 'verified', 'rolled back')),
    changed_at  timestamp with time zone not null,
    actor       text not null
);

create table qserv_event (
    handoff  text not null references qserv_handoff (handoff),
    at    timestamp with time zone not null,
    stage text not null,
    actor text not null
);

create table qserv_input (
    handoff        text not null references qserv_handoff (handoff),
    table_name  text not null,
    sha256      text not null,
    file        text not null,
    size_bytes  bigint not null,
    rows        bigint not null,
    kept        bigint not null,
    overlap     bigint not null,
    quarantined bigint not null,
    wrapped     bigint not null,
    staged      integer not null check (staged in (0, 1)),
    primary key (handoff, table_name, sha256)
);

create table qserv_file (
    handoff       text not null references qserv_handoff (handoff),
    table_name text not null,
    batch      integer not null,
    chunk      integer not null,
    overlap    integer not null check (overlap in (0, 1)),
    part       integer not null,
    path       text not null,
    rows       bigint not null,
    size_bytes bigint not null,
    digest     text not null,
    primary key (handoff, table_name, batch, chunk, overlap, part)
);

create table qserv_attempt (
    handoff       text not null references qserv_handoff (handoff),
    table_name text not null,
    batch      integer not null,
    number     integer not null,
    trans      bigint not null,                     -- Qserv's number; 0 while it has not answered
    state      text not null check (state in ('intended', 'started', 'committed', 'aborted')),
    changed_at timestamp with time zone not null,
    primary key (handoff, table_name, batch, number)
);

create table qserv_loaded (
    handoff         text not null references qserv_handoff (handoff),
    table_name   text not null,
    batch        integer not null,
    attempt      integer not null,
    chunk        integer not null,
    overlap      integer not null,
    part         integer not null,
    worker       text not null,
    contribution bigint not null,
    rows         bigint not null,
    primary key (handoff, table_name, batch, attempt, chunk, overlap, part, worker)
);

create table qserv_check (
    handoff       text not null references qserv_handoff (handoff),
    table_name text not null,
    kind       text not null,
    subject    text not null,
    expected   text not null,
    observed   text not null,
    is_right   integer not null check (is_right in (0, 1)),
    checked_at timestamp with time zone not null,
    primary key (handoff, table_name, kind, subject)
);
