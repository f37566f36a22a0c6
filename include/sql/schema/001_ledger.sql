-- The ledger: what should exist, how far it is at each endpoint, and what was refused.
-- One dialect for PostgreSQL and SQLite; statements end with a semicolon and an empty line.

create table unit (
    unit            text primary key,               -- LSSTCam/20261121/MC_O_20261121_000123
    kind            text not null,                  -- raw
    instrument      text not null,
    day_obs         integer not null,
    obs_id          text not null,
    part            integer not null,
    expected        integer not null,               -- detectors
    arrived         integer not null,
    missing         text not null default '[]',     -- JSON list of detector names
    changed_at      timestamp with time zone not null,
    manifest_sha256 text not null default '',
    bundle_bytes    bigint,
    bundle_sha256   text,
    bundle_adler32  text,
    bundle_crc32c   text,
    gate            text not null default ''        -- passed, failed or not asked yet
);

create index unit_night on unit (instrument, day_obs);

create index unit_day_obs on unit (day_obs);

create table exposure (
    instrument         text not null,
    exposure_id        bigint not null,
    obs_id             text not null,
    day_obs            integer not null,
    seq_num            integer not null,
    seq_start          integer not null,
    seq_end            integer not null,
    group_name         text not null,
    controller         text not null,
    physical_filter    text not null,
    observation_type   text not null,
    observation_reason text not null,
    science_program    text not null,
    target_name        text not null,
    exposure_time_s    double precision not null,
    dark_time_s        double precision not null,
    begin_tai          text not null,               -- ISO 8601 without a zone, TAI
    end_tai            text not null,
    tracking_ra_deg    double precision,
    tracking_dec_deg   double precision,
    sky_angle_deg      double precision,
    azimuth_deg        double precision,
    zenith_angle_deg   double precision,
    airmass            double precision,
    air_temperature_c  double precision,
    pressure_pa        double precision,
    humidity_percent   double precision,
    wind_speed_m_s     double precision,
    has_simulated      boolean not null,
    can_see_sky        boolean,
    primary key (instrument, exposure_id)
);

create unique index exposure_obs_id on exposure (instrument, obs_id);

create table delivery (
    unit        text not null references unit (unit),
    endpoint    text not null,
    state       text not null check (state in (
        'expected', 'arrived', 'verified', 'registered', 'published', 'released',
        'quarantined', 'missing', 'suspect', 'lost')),
    since_at    timestamp with time zone not null,
    version     integer not null,                   -- transitions so far
    reason      text not null,
    rule_id     text,
    verified_at timestamp with time zone,
    primary key (unit, endpoint)
);

create index delivery_state on delivery (endpoint, state);

create table delivery_event (
    unit      text not null,
    endpoint  text not null,
    version   integer not null,
    at        timestamp with time zone not null,
    old_state text not null,                        -- empty for the first
    new_state text not null,
    reason    text not null,
    actor     text not null,                        -- Airflow's dag run, or who used the CLI
    primary key (unit, endpoint, version)
);

create table quarantine (
    refusal_id  text primary key,
    unit        text not null,
    day_obs     integer not null,
    endpoint    text not null,
    name        text not null,
    kept_as     text not null,
    code        text not null,
    reason      text not null,
    next_action text not null,
    found_at    timestamp with time zone not null,
    decision    text not null check (decision in ('held', 'superseded', 'released', 'rejected')),
    decided_at  timestamp with time zone,
    decided_by  text not null
);

create index quarantine_unit on quarantine (unit);

create index quarantine_night on quarantine (day_obs, decision);

create table expectation_result (
    day_obs      integer not null,
    instrument   text not null,
    suite        text not null,
    at           timestamp with time zone not null,
    exposures    integer not null,
    failed       integer not null,
    detail       text not null,                     -- JSON: one line per expectation
    primary key (day_obs, instrument, suite, at)
);

-- What a reader may see: nothing before it is whole.
create view available as
    select u.unit, u.instrument, u.day_obs, u.obs_id, u.part, d.endpoint, d.since_at, d.verified_at,
           u.manifest_sha256, u.missing
    from unit u
    join delivery d on d.unit = u.unit
    where d.state = 'published';

