-- Tell when reading again last ended at an endpoint. Parameters: endpoint. Index: scrub_run_time.
select max(ended_at) as ended from scrub_run where endpoint = :endpoint
