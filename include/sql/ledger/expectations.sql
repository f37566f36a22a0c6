-- Read the outcomes of a night's expectation suites, newest first. Parameters: day_obs.
select * from expectation_result where day_obs = :day_obs order by at desc
