-- Record when an object is looked for next, and where there is news why it does not go on.
-- Parameters: key, code (empty for no news), reason, due_at. Index: primary key.
update lfa_object
set due_at = :due_at,
    code = case when :code = '' or state = 'refused' then code else :code end,
    reason = case when :code = '' or state = 'refused' then reason else :reason end
where key = :key and state in ('announced', 'refused')
