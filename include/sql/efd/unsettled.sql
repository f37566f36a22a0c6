-- Read an instrument's intervals that are not published as they ought to be.
-- Parameters: instrument. Index: efd_interval_state, efd_publication_interval.
select i.*, (
    select max(p.publication_id) from efd_publication p
    where p.instrument = i.instrument and p.begin_at = i.begin_at) as publication_id
from efd_interval i
where i.instrument = :instrument and i.state in ('waiting', 'open', 'refused')
order by i.begin_at
