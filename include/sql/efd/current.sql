-- Read a topic's current files, in order; those that are damaged are none. Parameters: topic, begin_at, end_at. Index: primary key.
select f.*
from efd_cell c
join efd_file f on f.topic = c.topic and f.begin_at = c.begin_at and f.version = c.version
where f.state <> 'damaged' and c.topic = :topic and c.begin_at >= :begin_at and c.begin_at < :end_at
order by f.begin_at
