-- The cache's own journal: one row for each image that was seen at the source.
create table if not exists oods_file (
    name       text primary key,                    -- at the source
    instrument text not null,
    day_obs    integer not null,
    obs_id     text not null,
    detector   text not null,
    size_bytes bigint not null,
    sha256     text not null,
    dataset_id text not null,                       -- in the cache's own registry
    state      text not null check (state in ('copied', 'served', 'refused')),
    code       text not null,
    reason     text not null,
    changed_at text not null,                       -- when the source's file was written
    served_at  text,
    merged     text not null                        -- the archive's answer: same, differs, or not yet
)
