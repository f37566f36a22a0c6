-- Record a decision on rows that are held. Parameters: refusal_ids (list), decision, at, by.
update quarantine
set decision = :decision, decided_at = :at, decided_by = :by
where refusal_id in :refusal_ids and decision = 'held'
