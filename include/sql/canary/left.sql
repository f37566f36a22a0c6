-- Read the canaries of which something may be left. No parameters. Index: canary_removed.
select * from canary where removed_at is null order by number
