-- Note a group; one that is known stays as it is. Parameters: the columns. Index: primary key.
insert into calibration_group (name, instrument, day_obs, kind, group_name, physical_filter, units,
                               begin_tai, end_tai, part, parts)
values (:name, :instrument, :day_obs, :kind, :group_name, :physical_filter, :units,
        :begin_tai, :end_tai, :part, :parts)
on conflict (name) do nothing
