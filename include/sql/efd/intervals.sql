-- Read an instrument's intervals that begin in a span, with the last publication of each.
-- Parameters: instrument, begin_at, end_at. Index: primary key, efd_publication_interval.
select i.*, (
    select max(p.publication_id) from efd_publication p
    where p.instrument = i.instrument and p.begin_at = i.begin_at) as publication_id
from efd_interval i
where i.instrument = :instrument and i.begin_at >= :begin_at and i.begin_at < :end_at
order by i.begin_at
