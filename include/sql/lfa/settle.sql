-- Say that an object was compared with its source. Parameters: key, md5, stamp. Index: primary key.
update lfa_object set doubt = '', md5 = :md5, stamp = :stamp where key = :key
