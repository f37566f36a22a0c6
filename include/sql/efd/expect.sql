-- Note that an hour of a topic is to be extracted; one that is known stays as it is.
-- Parameters: topic, begin_at, code, reason, at. Index: primary key.
insert into efd_cell (topic, begin_at, state, code, reason, attempts, version, claimed, points, seq_sum,
                      last_at, changed_at)
values (:topic, :begin_at, 'open', :code, :reason, 0, 0, 0, 0, null, null, :at)
on conflict (topic, begin_at) do nothing
