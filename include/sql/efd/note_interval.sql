-- Record how far an interval is. Parameters: the columns. Index: primary key.
insert into efd_interval (instrument, begin_at, state, code, reason, attempts, inputs_sha256, gate_sha256,
    exposures, changed_at)
values (:instrument, :begin_at, :state, :code, :reason, :attempts, :inputs_sha256, :gate_sha256,
    :exposures, :at)
on conflict (instrument, begin_at) do update
set state = excluded.state, code = excluded.code, reason = excluded.reason, attempts = excluded.attempts,
    inputs_sha256 = excluded.inputs_sha256, gate_sha256 = excluded.gate_sha256,
    exposures = excluded.exposures, changed_at = excluded.changed_at
