-- Forget an image of the cache. Parameters: name. Index: primary key.
delete from oods_file where name = :name
