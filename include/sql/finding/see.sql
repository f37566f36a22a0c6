-- Record that a scan saw something; a second scan, long enough after the first, confirms it.
-- Parameters: the columns, at, before_at (seen first at or before it: confirmed). Index: primary key.
insert into finding (finding_id, endpoint, day_obs, subject, discrepancy, policy, reason, remedy,
                     evidence, state, first_seen_at, last_seen_at, closed_at, scans)
values (:finding_id, :endpoint, :day_obs, :subject, :discrepancy, :policy, :reason, :remedy,
        :evidence, 'suspected', :at, :at, null, 1)
on conflict (finding_id) do update set
    state = case
        when finding.state = 'closed' then 'suspected'
        when finding.first_seen_at <= :before_at then 'confirmed'
        else finding.state end,
    first_seen_at = case when finding.state = 'closed' then :at else finding.first_seen_at end,
    scans = case when finding.state = 'closed' then 1 else finding.scans + 1 end,
    last_seen_at = :at,
    closed_at = null,
    policy = excluded.policy,
    reason = excluded.reason,
    remedy = excluded.remedy,
    evidence = excluded.evidence
where finding.last_seen_at < :at
