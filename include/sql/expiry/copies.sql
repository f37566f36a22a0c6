-- Count the published copies of units elsewhere that were read since a time.
-- Parameters: units (list), endpoint, read_at. Index: primary key of delivery.
select unit, count(*) as copies
from delivery
where unit in :units and endpoint <> :endpoint and state = 'published' and verified_at >= :read_at
group by unit
