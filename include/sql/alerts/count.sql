-- Add to what a night counts. Parameters: the columns. Index: primary key.
insert into alert_night (day_obs, issued, messages, duplicates, conflicts)
values (:day_obs, null, :messages, :duplicates, :conflicts)
on conflict (day_obs) do update
set messages = alert_night.messages + excluded.messages,
    duplicates = alert_night.duplicates + excluded.duplicates,
    conflicts = alert_night.conflicts + excluded.conflicts
