-- Record why an object is refused; it stays at the source, and is looked at again at due_at.
-- Parameters: key, code, reason, stamp, due_at, at. Index: primary key.
update lfa_object
set state = 'refused', code = :code, reason = :reason, stamp = :stamp, due_at = :due_at,
    changed_at = :at
where key = :key and state in ('announced', 'refused')
