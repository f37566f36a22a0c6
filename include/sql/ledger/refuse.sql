-- Put an item into quarantine; one released or superseded before is held again.
-- Parameters: the columns.
insert into quarantine (refusal_id, unit, day_obs, endpoint, name, kept_as, code, reason,
                        next_action, found_at, decision, decided_at, decided_by)
values (:refusal_id, :unit, :day_obs, :endpoint, :name, :kept_as, :code, :reason,
        :next_action, :found_at, 'held', null, '')
on conflict (refusal_id) do update
set decision = 'held', found_at = excluded.found_at
where quarantine.decision in ('released', 'superseded')
