-- Read all exports, the newest first. No parameters: there are few.
select * from export order by begun_at desc, name
