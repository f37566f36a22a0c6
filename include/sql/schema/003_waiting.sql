-- Why a delivery waits and since when; what of a unit travels; parcels beside exposures.

alter table unit add column files integer not null default 0;

alter table unit add column size_bytes bigint not null default 0;

update unit set files = 2, size_bytes = bundle_bytes where bundle_bytes is not null;

create index unit_kind on unit (kind, day_obs);

alter table delivery add column waits_for text not null default '';

alter table delivery add column stuck_at timestamp with time zone;

drop view available;

create view available as
    select u.unit, u.kind, u.instrument, u.day_obs, u.obs_id, u.part, d.endpoint, d.since_at,
           d.verified_at, u.manifest_sha256, u.missing
    from unit u
    join delivery d on d.unit = u.unit
    where d.state = 'published';
