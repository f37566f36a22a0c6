-- Close findings that a scan looked for and did not see.
-- Parameters: finding_ids (list), at. Index: primary key.
update finding set state = 'closed', closed_at = :at
where finding_id in :finding_ids and state <> 'closed' and last_seen_at < :at
