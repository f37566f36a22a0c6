-- Sum raw images by what is left of them: per unit its good copies, its last reading, whether it is lost.
-- Parameters: source, read_at. Index: primary keys.
select coalesce(sum(c.images), 0) as images,
       coalesce(sum(case when c.lost > 0 and c.good = 0 then c.images else 0 end), 0) as lost,
       coalesce(sum(case when c.lost = 0 and c.good = 0 and c.waiting = 0 then c.images else 0 end), 0)
           as suspected,
       coalesce(sum(case when c.good > 0 and c.read_again > 0 then c.images else 0 end), 0) as read_again,
       coalesce(sum(case when c.good = 1 then c.images else 0 end), 0) as one_copy
from (
    select u.unit, u.arrived as images,
           sum(case when d.state = 'published' then 1 else 0 end) as good,
           sum(case when d.state = 'lost' then 1 else 0 end) as lost,
           sum(case when d.endpoint = :source and d.state in ('expected', 'arrived', 'verified')
                    then 1 else 0 end) as waiting,
           sum(case when d.state = 'published' and d.verified_at >= :read_at then 1 else 0 end) as read_again
    from unit u
    join delivery d on d.unit = u.unit
    where u.kind = 'raw'
    group by u.unit, u.arrived
) c
