-- Read the current files with something remarkable about them. Parameters: begin_at, end_at. Index: efd_cell_time.
select f.*
from efd_cell c
join efd_file f on f.topic = c.topic and f.begin_at = c.begin_at and f.version = c.version
where c.begin_at >= :begin_at and c.begin_at < :end_at and f.notes <> '{}'
order by f.topic, f.begin_at
