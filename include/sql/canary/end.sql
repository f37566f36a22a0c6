-- Record how a canary ended, once. Parameters: number, at, outcome, stuck_place, reason. Index: primary key.
update canary set ended_at = :at, outcome = :outcome, stuck_at = :stuck_place, reason = :reason
where number = :number and ended_at is null
