-- Read the expiries of an endpoint that are not at their end. Parameters: endpoint. Index: expiry_open.
select * from expiry
where endpoint = :endpoint and state in ('intended', 'withdrawn', 'ended')
order by day_obs, subject
