-- Record that nothing of a canary is left. Parameters: number, at. Index: primary key.
update canary set removed_at = :at where number = :number and removed_at is null
