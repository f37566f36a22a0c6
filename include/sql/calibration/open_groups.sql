-- Read the groups of which no attempt is over: in force at every endpoint, refused or withdrawn. One that
-- was given up for another payload is not over. Parameter: since (a night). Index: calibration_group_day.
select * from calibration_group
where day_obs >= :since
  and not exists (
      select 1 from calibration_attempt
      where calibration_attempt.group_name = calibration_group.name
        and (calibration_attempt.state = 'withdrawn'
             or (calibration_attempt.state = 'refused' and calibration_attempt.code <> 'superseded')
             or exists (select 1 from calibration_step
                        where calibration_step.unit = calibration_attempt.unit
                          and calibration_step.step = 'publish'
                          and calibration_step.ended_at is not null))
  )
order by end_tai, name
