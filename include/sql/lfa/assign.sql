-- Say which parcel objects will travel in, before it is made: a parcel is never made of other ones.
-- Parameters: keys (list), unit, at. Index: primary key.
update lfa_object set unit = :unit, changed_at = :at
where key in :keys and state = 'checked' and unit = ''
