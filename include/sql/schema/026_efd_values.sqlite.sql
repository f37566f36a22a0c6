-- Values of telemetry by exposure: versions that are only ever added, each by a numbered publication.
-- In SQLite a JSON list of numbers for each property of an exposure; its views show the latest.

create table efd_publication_counter (
    last bigint not null                            -- its row is locked while somebody publishes
);

insert into efd_publication_counter (last) values (0);

create table efd_publication (
    publication_id bigint primary key,              -- grows in the order of commits
    instrument     text not null,
    begin_at       timestamp with time zone not null,
    end_at         timestamp with time zone not null,
    at             timestamp with time zone not null,
    config_sha256  text not null,
    config_version text not null,
    exposures      integer not null,
    versions       integer not null,
    digest         text not null,                   -- sha256 over the hashes of its versions
    reason         text not null,                   -- why it was accepted against expectations
    actor          text not null
);

create index efd_publication_interval on efd_publication (instrument, begin_at);

create table efd_column (
    instrument text not null,
    property   text not null,                       -- an array; empty: a column of its own
    field      text not null,
    position   integer not null,                    -- in cells, from 1; never given to another
    datatype   text not null,
    unit       text not null,
    ucd        text not null,
    shown_of   text not null,                       -- exposure, visit1, or both with a blank
    primary key (instrument, property, field)
);

create unique index efd_column_position on efd_column (instrument, property, position);

create table efd_version (
    instrument       text not null,
    exposure_id      bigint not null,
    property         text not null,
    publication_from bigint not null references efd_publication (publication_id),
    day_obs          integer not null,
    seq_num          integer not null,
    row_sha256       text not null,
    row_check        bigint not null,               -- 60 bits of it, to add up
    cells            text not null,
    samples          text not null,                 -- JSON: by topic, how many in the exposure
    primary key (instrument, exposure_id, property, publication_from)
);

create index efd_version_night on efd_version (instrument, day_obs);

create table efd_verdict (
    instrument text not null,
    begin_at   timestamp with time zone not null,
    end_at     timestamp with time zone not null,
    number     integer not null,
    at         timestamp with time zone not null,
    blocked    boolean not null,
    detail     text not null,                       -- JSON: what did not hold, and who accepted it
    primary key (instrument, begin_at, end_at, number)
);

create trigger efd_version_no_update before update on efd_version
begin select raise(abort, 'what was published of telemetry is append-only'); end;

create trigger efd_version_no_delete before delete on efd_version
begin select raise(abort, 'what was published of telemetry is append-only'); end;

create trigger efd_publication_no_update before update on efd_publication
begin select raise(abort, 'what was published of telemetry is append-only'); end;

create trigger efd_publication_no_delete before delete on efd_publication
begin select raise(abort, 'what was published of telemetry is append-only'); end;

create view efd_current as
select v.*
from efd_version v
where not exists (
    select 1 from efd_version later
    where later.instrument = v.instrument and later.exposure_id = v.exposure_id
      and later.property = v.property and later.publication_from > v.publication_from);

create view efd_value as
select v.instrument, v.exposure_id, v.day_obs, v.seq_num, v.property, c.field, c.unit,
       json_extract(v.cells, '$[' || (c.position - 1) || ']') as value, v.publication_from
from efd_current v
join efd_column c on c.instrument = v.instrument and c.property = v.property
where json_extract(v.cells, '$[' || (c.position - 1) || ']') is not null;
