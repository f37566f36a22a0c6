-- Read whom alarms were told to, and when. Parameters: numbers (list). Index: primary key.
select number, channel, news, at from alarm_told where number in :numbers order by at, channel
