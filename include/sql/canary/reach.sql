-- Record that a canary has reached a stage, once. Parameters: number, stage, at. Index: primary key.
insert into canary_stage (number, stage, reached_at) values (:number, :stage, :at) on conflict do nothing
