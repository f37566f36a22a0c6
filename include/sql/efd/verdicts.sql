-- Read what the expectations said of intervals, newest first. Parameters: instrument, begin_at, end_at.
-- Index: primary key.
select begin_at, end_at, at, blocked, detail
from efd_verdict
where instrument = :instrument and begin_at >= :begin_at and begin_at < :end_at
order by begin_at desc, number desc
