-- Rows of a handoff's inputs that went another way than most: a child's whose director's row is of another
-- file, and matches that are written to two chunks.

alter table qserv_input add column elsewhere bigint not null default 0;

alter table qserv_input add column twice bigint not null default 0;

-- A publication that Qserv was asked for: while no answer came, an earlier request may be at work.
create table qserv_publication (
    handoff  text primary key references qserv_handoff (handoff),
    asked_at timestamp with time zone not null,
    answered integer not null check (answered in (0, 1))
);
