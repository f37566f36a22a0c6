-- Note the folder above the date of a key. Parameters: folder. Index: primary key.
insert into lfa_folder (folder) values (:folder) on conflict (folder) do nothing
