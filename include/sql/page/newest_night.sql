-- Name the newest night of which there is a unit. Parameters: instruments (list). Index: unit_night.
select max(day_obs) as day_obs from unit where instrument in :instruments
