-- Record the last scan of a night at an endpoint. Parameters: the columns. Index: primary key.
insert into audit_scan (endpoint, day_obs, at, units, sightings, silent)
values (:endpoint, :day_obs, :at, :units, :sightings, :silent)
on conflict (endpoint, day_obs) do update set
    at = :at, units = :units, sightings = :sightings, silent = :silent
where audit_scan.at < :at
