-- Read the maintenances that lasted at a time or began later. Parameters: since_at. Index: primary key.
select begun_at, ended_at from maintenance where ended_at is null or ended_at >= :since_at order by number
