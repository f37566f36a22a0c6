-- Count what an endpoint serves, and its bytes. Parameters: endpoint. Index: delivery_state.
select count(*) as units, coalesce(sum(unit.size_bytes), 0) as size_bytes
from delivery join unit on unit.unit = delivery.unit
where delivery.endpoint = :endpoint and delivery.state = 'published'
