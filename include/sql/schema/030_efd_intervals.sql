-- How far each interval of telemetry by exposure is, and the files in which publications travel.

create table efd_interval (
    instrument     text not null,
    begin_at       timestamp with time zone not null,   -- an hour (UTC); its exposures ended in it
    state          text not null check (state in ('waiting', 'open', 'published', 'refused')),
    code           text not null,                       -- why it waits, failed or was refused
    reason         text not null,
    attempts       integer not null,                    -- that failed since it went well last
    inputs_sha256  text not null,                       -- of what it was made of last; empty: of nothing yet
    gate_sha256    text not null,                       -- of the limits that refused it
    exposures      integer not null,
    changed_at     timestamp with time zone not null,
    primary key (instrument, begin_at)
);

create index efd_interval_state on efd_interval (state, instrument);

create table efd_values_file (
    publication_id bigint primary key references efd_publication (publication_id),
    name           text not null,                       -- within the scope `files`
    version        integer not null,                    -- written anew where an earlier one was damaged
    size_bytes     bigint not null,
    sha256         text not null,
    adler32        text not null,
    crc32c         text not null,
    unit           text not null,                       -- the parcel that it travels in, once that is decided
    state          text not null check (state in ('loose', 'sealed', 'damaged'))
);

create index efd_values_file_state on efd_values_file (state, unit);

create index efd_version_publication on efd_version (publication_from);
