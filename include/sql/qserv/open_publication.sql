-- Tell when a publication was asked for that was never answered.
-- Index: the primary key.
select asked_at from qserv_publication where handoff = :handoff and answered = 0
