-- What a cache near the telescope served, merged into the ledger once the two could speak again.

create table oods_dataset (
    endpoint           text not null,
    name               text not null,               -- the image, as the camera named it
    instrument         text not null,
    day_obs            integer not null,
    obs_id             text not null,
    detector           text not null,
    size_bytes         bigint not null,
    sha256             text not null,
    dataset_id         text not null,               -- in the cache's own registry
    served_at          text not null,
    archive_dataset_id text not null,               -- empty until the archive has the exposure
    answer             text not null check (answer in ('', 'same', 'differs')),
    primary key (endpoint, name)
);

create index oods_dataset_day on oods_dataset (day_obs);
