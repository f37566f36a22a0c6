-- What keeps an object of the Large File Annex from being lost, held up or exchanged unnoticed.

alter table lfa_object add column md5 text not null default '';

-- What the source said of the object when it was copied or refused: its size, and ETag or time.
alter table lfa_object add column stamp text not null default '';

-- Why an object that was copied is compared with its source again; empty where nothing speaks for it.
alter table lfa_object add column doubt text not null default '';

-- The Butler dataset that it is; empty where it is none.
alter table lfa_object add column dataset_id text not null default '';

-- When an object that is announced or refused is looked for next.
alter table lfa_object add column due_at timestamp with time zone;

update lfa_object set due_at = announced_at;

create index lfa_object_due on lfa_object (state, due_at);

create index lfa_object_doubt on lfa_object (doubt);

create index lfa_object_unit on lfa_object (unit);

create index lfa_object_dataset on lfa_object (dataset_id);

-- The folders above the date in keys, as far as they are known: a day is listed by them.
create table lfa_folder (
    folder text primary key
);
