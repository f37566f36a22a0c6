-- Store the outcome of an expectation suite. Parameters: the columns.
insert into expectation_result (day_obs, instrument, suite, at, exposures, failed, detail)
values (:day_obs, :instrument, :suite, :at, :exposures, :failed, :detail)
