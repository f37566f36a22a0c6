-- List the parcels that an endpoint serves and whose name says that they bring a release's list.
-- Parameters: endpoint, pattern. Index: delivery_state.
select unit.unit
from delivery join unit on unit.unit = delivery.unit
where delivery.endpoint = :endpoint and delivery.state = 'published' and unit.unit like :pattern
order by unit.unit
