-- The files in which publications travel: one of values of telemetry each, or a run of such of exposures.

create table publication_file (
    first_publication bigint primary key,
    last_publication  bigint not null,                  -- the file has every number from the first to it
    kind              text not null check (kind in ('values', 'exposures')),
    topic             text not null,                    -- what the parcel's label says that it is
    begin_at          timestamp with time zone not null, -- the hour whose parcel it travels in
    versions          integer not null,
    name              text not null,                    -- within the scope `files`
    version           integer not null,                 -- written anew where an earlier one was damaged
    size_bytes        bigint not null,
    sha256            text not null,
    adler32           text not null,
    crc32c            text not null,
    unit              text not null,                    -- its parcel, once that is decided
    state             text not null check (state in ('loose', 'sealed', 'damaged'))
);

insert into publication_file (first_publication, last_publication, kind, topic, begin_at, versions,
    name, version, size_bytes, sha256, adler32, crc32c, unit, state)
select f.publication_id, f.publication_id, 'values', 'values.' || p.instrument, p.begin_at, p.versions,
    f.name, f.version, f.size_bytes, f.sha256, f.adler32, f.crc32c, f.unit, f.state
from efd_values_file f
join efd_publication p on p.publication_id = f.publication_id;

drop table efd_values_file;

create index publication_file_state on publication_file (state, unit);

create index publication_file_last on publication_file (kind, last_publication);

create index consdb_exposure_publication on consdb_exposure_version (publication_from);

create index consdb_member_publication on consdb_member_version (publication_from);

create index exposure_log_publication on exposure_log_version (publication_from);
