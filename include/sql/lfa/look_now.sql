-- Have objects looked for at once, because they are there. Parameters: keys (list), at.
-- Index: primary key.
update lfa_object set due_at = :at
where key in :keys and state in ('announced', 'refused') and due_at > :at
