-- Rows of a handoff's inputs that went another way than most: a child's whose director's row is of another
-- file, and matches that are written to two chunks.

alter table qserv_input add column elsewhere bigint not null default 0;

alter table qserv_input add column twice bigint not null default 0;
