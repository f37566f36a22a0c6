-- Open a delivery; one that exists stays as it is. Parameters: the columns. Index: primary key.
insert into delivery (unit, endpoint, state, since_at, version, reason)
values (:unit, :endpoint, 'expected', :at, 0, :reason)
on conflict (unit, endpoint) do nothing
