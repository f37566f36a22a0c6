-- Name the tables of which an instrument ever had a row. Parameters: instrument. Index: primary key.
select distinct table_name from consdb_member_version where instrument = :instrument
