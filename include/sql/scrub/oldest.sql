-- Read the published copies of an endpoint whose last reading is oldest.
-- Parameters: endpoint, before_at, most. Index: delivery_read.
select u.*
from delivery d
join unit u on u.unit = d.unit
where d.endpoint = :endpoint and d.state = 'published' and d.verified_at < :before_at
order by d.verified_at, d.unit
limit :most
