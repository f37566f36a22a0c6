-- The time that a statement counts with in either database; SQLite is given the same function by the program.
-- Microseconds since 1970, exact: a time has no finer part.

create function microseconds(moment timestamp with time zone) returns bigint
language sql stable parallel safe
as 'select cast(extract(epoch from moment) * 1000000 as bigint)';
