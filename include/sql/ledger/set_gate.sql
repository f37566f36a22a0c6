-- Record what the expectations said of a unit. Parameters: unit, gate. Index: primary key.
update unit set gate = :gate where unit = :unit
