-- Count raw units by how many good copies they have. No parameters. Index: primary keys.
select c.copies, count(*) as units
from (
    select u.unit, sum(case when d.state = 'published' then 1 else 0 end) as copies
    from unit u
    join delivery d on d.unit = u.unit
    where u.kind = 'raw'
    group by u.unit
) c
group by c.copies
order by c.copies
