-- Count what an endpoint serves. Parameters: endpoint. Index: delivery_state.
select count(*) as number from delivery where endpoint = :endpoint and state = 'published'
