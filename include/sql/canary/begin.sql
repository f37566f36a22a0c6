-- Record a new canary; its number is the next one. Parameters: at, actor. Index: primary key.
insert into canary (number, begun_at, outcome, stuck_at, reason, actor)
select coalesce(max(number), 0) + 1, :at, 'flying', '', '', :actor from canary
