-- List the days of which there are sealed units of a kind. Parameters: kind. Index: unit_kind.
select distinct day_obs from unit where kind = :kind and manifest_sha256 <> '' order by day_obs
