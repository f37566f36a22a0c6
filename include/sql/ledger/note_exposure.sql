-- Record the facts of an exposure's header; corrections replace them until a copy is verified.
-- Parameters: the columns. Index: primary key.
insert into exposure (
    instrument, exposure_id, obs_id, day_obs, seq_num, seq_start, seq_end, group_name, controller,
    physical_filter, observation_type, observation_reason, science_program, target_name,
    exposure_time_s, dark_time_s, begin_tai, end_tai, tracking_ra_deg, tracking_dec_deg,
    sky_angle_deg, azimuth_deg, zenith_angle_deg, airmass, air_temperature_c, pressure_pa,
    humidity_percent, wind_speed_m_s, has_simulated, can_see_sky)
values (
    :instrument, :exposure_id, :obs_id, :day_obs, :seq_num, :seq_start, :seq_end, :group_name,
    :controller, :physical_filter, :observation_type, :observation_reason, :science_program,
    :target_name, :exposure_time_s, :dark_time_s, :begin_tai, :end_tai, :tracking_ra_deg,
    :tracking_dec_deg, :sky_angle_deg, :azimuth_deg, :zenith_angle_deg, :airmass,
    :air_temperature_c, :pressure_pa, :humidity_percent, :wind_speed_m_s, :has_simulated,
    :can_see_sky)
on conflict (instrument, exposure_id) do update
set group_name = excluded.group_name, physical_filter = excluded.physical_filter,
    observation_type = excluded.observation_type,
    observation_reason = excluded.observation_reason,
    science_program = excluded.science_program, target_name = excluded.target_name,
    exposure_time_s = excluded.exposure_time_s, dark_time_s = excluded.dark_time_s,
    begin_tai = excluded.begin_tai, end_tai = excluded.end_tai,
    tracking_ra_deg = excluded.tracking_ra_deg, tracking_dec_deg = excluded.tracking_dec_deg,
    sky_angle_deg = excluded.sky_angle_deg, azimuth_deg = excluded.azimuth_deg,
    zenith_angle_deg = excluded.zenith_angle_deg, airmass = excluded.airmass,
    air_temperature_c = excluded.air_temperature_c, pressure_pa = excluded.pressure_pa,
    humidity_percent = excluded.humidity_percent, wind_speed_m_s = excluded.wind_speed_m_s,
    has_simulated = excluded.has_simulated, can_see_sky = excluded.can_see_sky
where not exists (
    select 1 from unit u join delivery d on d.unit = u.unit
    where u.instrument = excluded.instrument and u.obs_id = excluded.obs_id
      and d.verified_at is not null)
