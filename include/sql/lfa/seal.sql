-- Say that a parcel is made. Parameters: unit, at.
update lfa_object set state = 'sealed', changed_at = :at where unit = :unit and state = 'checked'
