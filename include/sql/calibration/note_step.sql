-- Record a step; its first begin and its first end stay. Parameters: unit, step, begun_at, ended_at.
insert into calibration_step (unit, step, begun_at, ended_at)
values (:unit, :step, :begun_at, :ended_at)
on conflict (unit, step) do update
set ended_at = coalesce(calibration_step.ended_at, excluded.ended_at)
