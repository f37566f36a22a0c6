-- Name those of some units that an endpoint had served before a moment.
-- Parameters: units (list), endpoint, before_at. Index: primary key of delivery_event.
select distinct unit
from delivery_event
where unit in :units and endpoint = :endpoint and new_state = 'published' and at < :before_at
