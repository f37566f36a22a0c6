-- Record that a publication is about to be asked for; the time of a young request without an answer stays.
-- Index: the primary key.
insert into qserv_publication (handoff, asked_at, answered) values (:handoff, :at, 0)
on conflict (handoff) do update set asked_at = excluded.asked_at, answered = 0
where qserv_publication.answered = 1 or qserv_publication.asked_at <= :since_at
