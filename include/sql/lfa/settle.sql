-- Say that an object was compared with its source; if an event has declared something else meanwhile, it
-- is compared once more. Parameters: key, md5, stamp, known_bytes and known_md5 (what was declared
-- before). Index: primary key.
update lfa_object
set md5 = :md5, stamp = :stamp,
    doubt = case when coalesce(declared_bytes, -1) <> coalesce(:known_bytes, -1)
                   or declared_md5 <> :known_md5
            then 'an event declares something else' else '' end
where key = :key
