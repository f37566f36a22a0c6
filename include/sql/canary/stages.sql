-- Read the stages that a canary has reached. Parameters: number. Index: primary key.
select * from canary_stage where number = :number order by reached_at, stage
