-- Objects of the Large File Annex: announced by events, queries and listings; one row for each.

create table lfa_object (
    key            text primary key,                -- in the bucket, as its producer wrote it
    bucket         text not null,
    csc            text not null,
    generator      text not null,                   -- of the key: that of the event may differ
    mime_type      text not null,                   -- normalised
    day_obs        integer not null,
    obs_id         text not null,
    declared_bytes bigint,                          -- what the event said; often nothing
    declared_md5   text not null,
    source         text not null,                   -- event, efd, listing or operator
    action         text not null,                   -- of its class
    is_known       boolean not null,                -- whether a class names it
    state          text not null check (state in ('announced', 'checked', 'sealed', 'refused')),
    code           text not null,
    reason         text not null,
    size_bytes     bigint,
    sha256         text not null,
    adler32        text not null,
    crc32c         text not null,
    unit           text not null,                   -- the parcel that it travels in
    announced_at   timestamp with time zone not null,
    changed_at     timestamp with time zone not null
);

create index lfa_object_state on lfa_object (state, announced_at);

create index lfa_object_day on lfa_object (day_obs);

-- An object is seen at a place only once its parcel is published there.
create view lfa_available as
    select o.key, o.csc, o.generator, o.mime_type, o.day_obs, o.size_bytes, o.sha256, d.endpoint,
           d.since_at
    from lfa_object o
    join delivery d on d.unit = o.unit
    where o.state = 'sealed' and d.state = 'published';
