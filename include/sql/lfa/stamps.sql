-- Read what is known of objects that a listing shows. Parameters: keys (list). Index: primary key.
select key, state, stamp, size_bytes from lfa_object where key in :keys
