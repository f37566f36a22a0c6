-- Add to an attempt's history. Parameters: unit, at, what, reason, actor. Index: primary key.
insert into calibration_event (unit, number, at, what, reason, actor)
select :unit, coalesce(max(number), 0) + 1, :at, :what, :reason, :actor
from calibration_event where unit = :unit
