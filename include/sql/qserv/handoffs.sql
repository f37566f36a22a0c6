-- List handoffs. :release and :endpoint: empty for all.
-- Index: the primary key; there are few rows.
select handoff, release, endpoint, database, plan_sha256, stage
from qserv_handoff
where (:release = '' or release = :release) and (:endpoint = '' or endpoint = :endpoint)
order by handoff
