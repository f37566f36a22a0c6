-- Read attempts. Parameters (empty for all): group_name, unit. Index: primary key, unique.
select * from calibration_attempt
where (:group_name = '' or group_name = :group_name) and (:unit = '' or unit = :unit)
order by begun_at, group_name, campaign, number
