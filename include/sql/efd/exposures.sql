-- Read the exposures that ended within an interval, with their times (TAI, ISO 8601 without a zone).
-- Parameters: instrument, begin_tai, end_tai (text, as in the table). Index: primary key.
select exposure_id, day_obs, seq_num, begin_tai, end_tai
from exposure
where instrument = :instrument and end_tai >= :begin_tai and end_tai < :end_tai
order by end_tai, exposure_id
