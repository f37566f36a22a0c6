-- Record why a delivery waits, and since when. Parameters: unit, endpoint, waits_for, at.
-- Index: primary key.
update delivery
set waits_for = :waits_for, stuck_at = coalesce(stuck_at, :at)
where unit = :unit and endpoint = :endpoint and waits_for <> :waits_for
