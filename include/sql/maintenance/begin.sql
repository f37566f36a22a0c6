-- Record a new maintenance, unless one lasts; its number is the next one. Parameters: at, actor, reason. Index: primary key.
insert into maintenance (number, begun_at, begun_by, reason, ended_by)
select coalesce(max(number), 0) + 1, :at, :actor, :reason, '' from maintenance
having count(*) = count(ended_at)
