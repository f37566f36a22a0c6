-- Exports for external processing: what was sent out, by whom, and until when anybody needs it.

create table export (
    name                text primary key,
    order_json          text not null,
    endpoint            text not null,
    place               text not null,
    owner               text not null,
    ends_on             text not null,
    datasets            integer not null,
    files               integer not null,
    size_bytes          bigint not null,
    begun_at            timestamp with time zone not null,
    made_at             timestamp with time zone,
    tag_manifest_sha256 text not null,
    actor               text not null
);
