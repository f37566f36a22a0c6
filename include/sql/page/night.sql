-- Read how each unit of a night stands: a line for each, its deliveries in two texts that name the endpoints, with | between.
-- A state is followed by ? where the copy was never read. The time is since when: of a copy that does not come,
-- since when it is stuck. Parameters: day_obs, instruments (list), source. Index: unit_night, primary key of delivery.
select u.unit, u.obs_id, u.part, u.instrument, u.expected, u.missing, u.gate,
       microseconds(u.changed_at) as changed_us,
       coalesce((
           select string_agg(d.endpoint || '=' || d.state
                             || case when d.verified_at is null then '?' else '' end, ' ')
                  || '|' || string_agg(d.endpoint || '=' || microseconds(
                      case when d.endpoint <> :source and d.state in ('expected', 'arrived')
                           then coalesce(d.stuck_at, d.since_at) else d.since_at end), ' ')
           from delivery d
           where d.unit = u.unit), '|') as places
from unit u
where u.day_obs = :day_obs and u.instrument in :instruments
