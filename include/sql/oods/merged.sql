-- Read what was merged of an endpoint and day. Parameters: endpoint, day_obs. Index: oods_dataset_day.
select * from oods_dataset where endpoint = :endpoint and day_obs = :day_obs order by name
