-- Have objects that were copied compared with their source. Parameters: keys (list), doubt.
-- Index: primary key.
update lfa_object set doubt = :doubt
where key in :keys and state in ('checked', 'sealed') and doubt = ''
