-- Record why an object is refused; it stays at the source, and is looked at again at due_at. If an event
-- has declared something else meanwhile, it is then tried again. Parameters: key, code, reason, stamp,
-- known_bytes and known_md5 (what was declared before), due_at, at. Index: primary key.
update lfa_object
set state = 'refused', code = :code, reason = :reason, due_at = :due_at, changed_at = :at,
    stamp = case when coalesce(declared_bytes, -1) <> coalesce(:known_bytes, -1)
                   or declared_md5 <> :known_md5
            then '' else :stamp end
where key = :key and state in ('announced', 'refused')
