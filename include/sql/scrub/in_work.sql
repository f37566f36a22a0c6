-- Count what is being worked on at an endpoint. Parameters: endpoint, since_at. Index: delivery_state.
select count(*) as deliveries
from delivery
where endpoint = :endpoint and state in ('arrived', 'verified', 'registered') and since_at >= :since_at
