-- Up to when the EFD was asked for objects of the Large File Annex.

create table lfa_efd_cursor (
    cursor   text primary key,                      -- the database's name
    until_at timestamp with time zone not null
);
