-- Add a version of an exposure. Parameters: the columns.
insert into consdb_exposure_version (
    instrument, publication_from, exposure_id, exposure_name, controller, day_obs, seq_num,
    physical_filter, band, s_ra, s_dec, sky_rotation, azimuth_start, azimuth_end, azimuth,
    altitude_start, altitude_end, altitude, zenith_distance_start, zenith_distance_end,
    zenith_distance, airmass, exp_midpt, exp_midpt_mjd, obs_start, obs_start_mjd, obs_end,
    obs_end_mjd, exp_time, shut_time, dark_time, group_id, cur_index, max_index, img_type,
    emulated, science_program, observation_reason, target_name, air_temp, pressure, humidity,
    wind_speed, wind_dir, dimm_seeing, focus_z, simulated, vignette, vignette_min,
    scheduler_note, can_see_sky, row_sha256, row_check)
values (
    :instrument, :publication_from, :exposure_id, :exposure_name, :controller, :day_obs,
    :seq_num, :physical_filter, :band, :s_ra, :s_dec, :sky_rotation, :azimuth_start,
    :azimuth_end, :azimuth, :altitude_start, :altitude_end, :altitude, :zenith_distance_start,
    :zenith_distance_end, :zenith_distance, :airmass, :exp_midpt, :exp_midpt_mjd, :obs_start,
    :obs_start_mjd, :obs_end, :obs_end_mjd, :exp_time, :shut_time, :dark_time, :group_id,
    :cur_index, :max_index, :img_type, :emulated, :science_program, :observation_reason,
    :target_name, :air_temp, :pressure, :humidity, :wind_speed, :wind_dir, :dimm_seeing,
    :focus_z, :simulated, :vignette, :vignette_min, :scheduler_note, :can_see_sky, :row_sha256,
    :row_check)
