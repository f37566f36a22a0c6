-- Calibrations: groups of exposures, attempts to make something of them, products and their inputs.

create table calibration_group (
    name            text primary key,
    instrument      text not null,
    day_obs         integer not null,
    kind            text not null,
    group_name      text not null,
    physical_filter text not null,                  -- empty for all but flats
    units           text not null,                  -- JSON: the exposures' units, in order
    begin_tai       text not null,                  -- ISO 8601 without a zone, TAI
    end_tai         text not null,
    part            integer not null,
    parts           integer not null                -- more than one: the sequence was split
);

create index calibration_group_day on calibration_group (day_obs);

create table calibration_attempt (
    unit       text primary key,                    -- the parcel of its products
    group_name text not null references calibration_group (name),
    campaign   text not null,
    number     integer not null,
    payload    text not null,
    version    text not null,
    run        text not null unique,                -- a collection that no other attempt has
    state      text not null check (state in ('begun', 'filed', 'refused', 'withdrawn')),
    accepted   integer not null check (accepted in (0, 1)),
    code       text not null,
    reason     text not null,
    begun_at   timestamp with time zone not null,
    parameters text not null,                       -- JSON
    unique (group_name, campaign, number)
);

-- At most one result of a group and campaign is found downstream.
create unique index calibration_accepted on calibration_attempt (group_name, campaign)
    where accepted = 1;

create table calibration_event (
    unit   text not null references calibration_attempt (unit),
    number integer not null,
    at     timestamp with time zone not null,
    what   text not null,
    reason text not null,
    actor  text not null,
    primary key (unit, number)
);

create table calibration_step (
    unit     text not null references calibration_attempt (unit),
    step     text not null,
    begun_at timestamp with time zone not null,
    ended_at timestamp with time zone,
    primary key (unit, step)
);

create table calibration_product (
    dataset_id text primary key,
    unit       text not null references calibration_attempt (unit),
    detector   integer not null,
    name       text not null,
    sha256     text not null
);

create index calibration_product_unit on calibration_product (unit);

create table calibration_input (
    product_id text not null references calibration_product (dataset_id),
    input_id   text not null,
    sha256     text not null,
    kind       text not null,                       -- raw, bias, dark
    primary key (product_id, input_id)
);

create index calibration_input_of on calibration_input (input_id);
