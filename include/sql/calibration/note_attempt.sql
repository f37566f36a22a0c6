-- Note an attempt; one that is known stays as it is. Parameters: the columns. Index: primary key.
insert into calibration_attempt (unit, group_name, campaign, number, payload, version, run, state,
                                 accepted, code, reason, begun_at, parameters)
values (:unit, :group_name, :campaign, :number, :payload, :version, :run, 'begun', 0, '', '', :at,
        :parameters)
on conflict (unit) do nothing
