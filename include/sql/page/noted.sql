-- Read the newest words on things. Parameters: names (list). Index: primary key.
select * from noted where name in :names
