-- Maintenance: when nothing was started, at whose word, and which DAGs go on afterwards.

create table maintenance (
    number   integer primary key,
    begun_at timestamp with time zone not null,
    begun_by text not null,
    reason   text not null,
    ended_at timestamp with time zone,
    ended_by text not null
);

create table maintenance_dag (
    number integer not null references maintenance (number),
    dag_id text not null,                               -- ran before, so it runs again afterwards
    primary key (number, dag_id)
);
