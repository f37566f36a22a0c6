-- Accept an attempt unless another one of its group and campaign is. Parameters: unit.
-- Index: calibration_accepted.
update calibration_attempt set accepted = 1
where unit = :unit and state in ('begun', 'filed')
  and not exists (
    select 1 from calibration_attempt o
    where o.group_name = calibration_attempt.group_name
      and o.campaign = calibration_attempt.campaign and o.accepted = 1 and o.unit <> :unit)
