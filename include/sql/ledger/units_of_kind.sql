-- Read the sealed units of a kind and day. Parameters: kind, day_obs. Index: unit_kind.
select * from unit
where kind = :kind and day_obs = :day_obs and manifest_sha256 <> ''
order by unit
