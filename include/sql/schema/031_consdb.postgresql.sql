-- Observing metadata: what headers, pipelines and people say of exposures, in versions that are only added.
-- Their publications and those of telemetry share one row of numbers (efd_publication_counter), so that one
-- number fixes an answer that joins both.

create table consdb_publication (
    publication_id bigint primary key,              -- grows in the order of commits
    at             timestamp with time zone not null,
    versions       integer not null,
    digest         text not null,                   -- sha256 over the hashes of its versions
    reason         text not null,
    actor          text not null
);

create table consdb_exposure_version (
    instrument            text not null,
    publication_from      bigint not null references consdb_publication (publication_id),
    exposure_id           bigint not null,
    exposure_name         text not null,
    controller            text not null,
    day_obs               integer not null,
    seq_num               integer not null,
    physical_filter       text,
    band                  text,
    s_ra                  double precision,
    s_dec                 double precision,
    sky_rotation          double precision,
    azimuth_start         double precision,
    azimuth_end           double precision,
    azimuth               double precision,
    altitude_start        double precision,
    altitude_end          double precision,
    altitude              double precision,
    zenith_distance_start double precision,
    zenith_distance_end   double precision,
    zenith_distance       double precision,
    airmass               double precision,
    exp_midpt             timestamp,
    exp_midpt_mjd         double precision,
    obs_start             timestamp,
    obs_start_mjd         double precision,
    obs_end               timestamp,
    obs_end_mjd           double precision,
    exp_time              double precision,
    shut_time             double precision,
    dark_time             double precision,
    group_id              text,
    cur_index             integer,
    max_index             integer,
    img_type              text,
    emulated              boolean,
    science_program       text,
    observation_reason    text,
    target_name           text,
    air_temp              double precision,
    pressure              double precision,
    humidity              double precision,
    wind_speed            double precision,
    wind_dir              double precision,
    dimm_seeing           double precision,
    focus_z               double precision,
    simulated             boolean,
    vignette              text,
    vignette_min          text,
    scheduler_note        text,
    can_see_sky           boolean,
    row_sha256            text not null,
    row_check             bigint not null,          -- 60 bits of it, to add up
    primary key (instrument, exposure_id, publication_from)
);

create index consdb_exposure_night on consdb_exposure_version (day_obs, instrument);

-- Rows of an exposure's detectors, or of the whole, of one table: a JSON list.
create table consdb_member_version (
    instrument       text not null,
    table_name       text not null,                 -- ccdexposure, or of a pipeline: ccdvisit1_quicklook, …
    exposure_id      bigint not null,
    publication_from bigint not null references consdb_publication (publication_id),
    day_obs          integer not null,              -- as the rows themselves have it
    seq_num          integer not null,
    members          text not null,
    row_sha256       text not null,
    row_check        bigint not null,
    primary key (instrument, table_name, exposure_id, publication_from)
);

create index consdb_member_night on consdb_member_version (day_obs, instrument, table_name);

-- Of which manifest the rows of a unit were made: the same one is not read again.
create table consdb_source (
    unit            text primary key,
    manifest_sha256 text not null
);

create table exposure_log_version (
    message_id       text not null,
    publication_from bigint not null references consdb_publication (publication_id),
    instrument       text not null,
    obs_id           text not null,
    exposure_id      bigint not null,
    day_obs          integer not null,
    seq_num          integer not null,
    message_text     text not null,
    exposure_flag    text not null check (exposure_flag in ('none', 'junk', 'questionable')),
    tags             text not null,                 -- JSON list
    user_id          text not null,                 -- whose this version is
    date_added       timestamp with time zone not null,
    is_valid         boolean not null,              -- false: taken back
    row_sha256       text not null,
    row_check        bigint not null,
    primary key (message_id, publication_from)
);

create index exposure_log_night on exposure_log_version (day_obs, instrument);

create index exposure_log_exposure on exposure_log_version (obs_id);

create function consdb_refuse_change() returns trigger language plpgsql as $$
begin raise exception 'what was published of exposures is append-only'; end
$$;

create trigger consdb_publication_append_only before update or delete on consdb_publication
    for each row execute function consdb_refuse_change();

create trigger consdb_exposure_version_append_only before update or delete on consdb_exposure_version
    for each row execute function consdb_refuse_change();

create trigger consdb_member_version_append_only before update or delete on consdb_member_version
    for each row execute function consdb_refuse_change();

create trigger exposure_log_version_append_only before update or delete on exposure_log_version
    for each row execute function consdb_refuse_change();

create view consdb_exposure as
select v.*
from consdb_exposure_version v
where v.publication_from <= efd_as_of()
  and not exists (
    select 1 from consdb_exposure_version later
    where later.instrument = v.instrument and later.exposure_id = v.exposure_id
      and later.publication_from > v.publication_from and later.publication_from <= efd_as_of());

create view consdb_members as
select v.*
from consdb_member_version v
where v.publication_from <= efd_as_of()
  and not exists (
    select 1 from consdb_member_version later
    where later.instrument = v.instrument and later.table_name = v.table_name and later.exposure_id = v.exposure_id
      and later.publication_from > v.publication_from and later.publication_from <= efd_as_of());

create view consdb_member as
select v.instrument, v.table_name, v.exposure_id, v.day_obs, v.seq_num,
       cast(m.value ->> 'detector' as integer) as detector, m.value as cells, v.publication_from
from consdb_members v
cross join lateral jsonb_array_elements(cast(v.members as jsonb)) as m (value);

create view exposure_log as
select v.*
from exposure_log_version v
where v.publication_from <= efd_as_of()
  and not exists (
    select 1 from exposure_log_version later
    where later.message_id = v.message_id
      and later.publication_from > v.publication_from and later.publication_from <= efd_as_of());
