-- The archive of the Engineering and Facilities Database: one row for each topic and hour, one for each file.

create table efd_cell (
    topic      text not null,
    begin_at   timestamp with time zone not null,   -- of the hour (UTC)
    state      text not null check (state in ('open', 'extracted', 'empty')),
    code       text not null,                       -- why it is open or empty, or what is wrong with its source
    reason     text not null,
    attempts   integer not null,                    -- since it was opened last
    version    integer not null,                    -- of the current file; 0: there is none
    claimed    integer not null,                    -- the highest version that anybody set out to write
    points     bigint not null,                     -- that the source counted when it was extracted
    seq_sum    bigint,                              -- and the sum of their sequence numbers; null: not known
    last_at    timestamp with time zone,            -- of its last point, to the microsecond
    changed_at timestamp with time zone not null,
    primary key (topic, begin_at)
);

create index efd_cell_state on efd_cell (state, begin_at);

create index efd_cell_time on efd_cell (begin_at);

create table efd_file (
    topic          text not null,
    begin_at       timestamp with time zone not null,
    version        integer not null,
    name           text not null unique,            -- within the scope `files`
    rows_written   bigint not null,
    first_ns       bigint not null,                 -- of its first and last point (UTC)
    last_ns        bigint not null,
    content_sha256 text not null,                   -- of the rows, however they are packed
    schema_sha256  text not null,
    notes          text not null,                   -- JSON: by code, what is remarkable
    size_bytes     bigint not null,
    sha256         text not null,
    adler32        text not null,
    crc32c         text not null,
    unit           text not null,                   -- the parcel that it travels in, once that is decided
    state          text not null check (state in ('loose', 'sealed', 'damaged')),
    extracted_at   timestamp with time zone not null,
    actor          text not null,
    primary key (topic, begin_at, version)
);

create index efd_file_state on efd_file (state, unit);

create table efd_schema (
    schema_sha256 text primary key,
    fields        text not null                     -- JSON: by field, its type
);
