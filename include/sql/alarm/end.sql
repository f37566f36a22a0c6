-- Record that an alarm is over, once. Parameters: number, at. Index: primary key.
update alarm set ended_at = :at where number = :number and ended_at is null
