-- Keep what the producer says that it issued. Parameters: day_obs, issued. Index: primary key.
insert into alert_night (day_obs, issued, messages, duplicates, conflicts) values (:day_obs, :issued, 0, 0, 0)
on conflict (day_obs) do update set issued = excluded.issued
