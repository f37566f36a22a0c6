-- What reconcilers find, when they last looked, and the fingerprint of each unit's datasets.

create table finding (
    finding_id    text primary key,                 -- of endpoint, night, subject and discrepancy
    endpoint      text not null,
    day_obs       integer not null,
    subject       text not null,                    -- a unit, or the name that no unit has
    discrepancy   text not null,                    -- a stable code
    policy        text not null,                    -- by which one of two records is right
    reason        text not null,
    remedy        text not null,                    -- what would set it right
    evidence      text not null,                    -- JSON: what the last scan saw
    state         text not null check (state in ('suspected', 'confirmed', 'closed')),
    first_seen_at timestamp with time zone not null,
    last_seen_at  timestamp with time zone not null,
    closed_at     timestamp with time zone,
    scans         integer not null                  -- that saw it, since it was last closed
);

create index finding_night on finding (day_obs, endpoint);

create index finding_state on finding (state, day_obs);

create table audit_scan (
    endpoint  text not null,
    day_obs   integer not null,
    at        timestamp with time zone not null,    -- of the last scan
    units     integer not null,
    sightings integer not null,
    silent    text not null,                        -- JSON: the records that did not answer
    primary key (endpoint, day_obs)
);

-- Butler's datasets of a bundle, as their number and sums; written when the bundle is sealed.
create table unit_datasets (
    unit            text primary key,
    manifest_sha256 text not null,
    fingerprint     text not null
);
