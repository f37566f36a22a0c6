-- Add what an event says of an object that is known: what it declares, and before the object is copied
-- its class. One that was refused is tried anew when something else is declared; one that was copied
-- and is not what is declared is compared with its source. Parameters: the columns, at.
-- Index: primary key.
update lfa_object
set declared_bytes = coalesce(:declared_bytes, declared_bytes),
    declared_md5 = case when :declared_md5 = '' then declared_md5 else :declared_md5 end,
    obs_id = case when :obs_id = '' then obs_id else :obs_id end,
    csc = case when state in ('announced', 'refused') and :source in ('event', 'efd')
          then :csc else csc end,
    mime_type = case when state in ('announced', 'refused') and :source in ('event', 'efd')
                then :mime_type else mime_type end,
    action = case when state in ('announced', 'refused') and :source in ('event', 'efd')
             then :action else action end,
    is_known = case when state in ('announced', 'refused') and :source in ('event', 'efd')
               then :is_known else is_known end,
    due_at = case when state in ('announced', 'refused') and :source in ('event', 'operator')
             then :at else due_at end,
    stamp = case when state = 'refused'
                  and (coalesce(:declared_bytes, declared_bytes, -1) <> coalesce(declared_bytes, -1)
                       or (:declared_md5 <> '' and :declared_md5 <> declared_md5))
            then '' else stamp end,
    doubt = case when state in ('checked', 'sealed') and doubt = ''
                  and ((coalesce(:declared_bytes, size_bytes) <> size_bytes
                        and coalesce(declared_bytes, -1) <> :declared_bytes)
                       or (:declared_md5 <> '' and :declared_md5 <> md5
                           and :declared_md5 <> declared_md5))
            then 'an event declares something else' else doubt end
where key = :key
