-- Read objects that are to be looked for now, in the order of their turn. Parameters: now_at, most.
-- Index: lfa_object_due.
select * from lfa_object
where state in ('announced', 'refused') and due_at <= :now_at
order by due_at, key limit :most
