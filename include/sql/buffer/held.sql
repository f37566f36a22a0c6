-- Name the units whose files an endpoint still holds, verified. Parameters: endpoint. Index: delivery_state.
select unit
from delivery
where endpoint = :endpoint and state = 'verified'
order by unit
