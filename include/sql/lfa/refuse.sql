-- Record why an object is refused; it stays at the source. Parameters: key, code, reason, at.
update lfa_object set state = 'refused', code = :code, reason = :reason, changed_at = :at
where key = :key and state in ('announced', 'refused')
