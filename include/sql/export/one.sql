-- Read one export. Parameters: export. Index: primary key.
select * from export where name = :export
