-- Record that Qserv answered, whatever it said.
-- Index: the primary key.
update qserv_publication set answered = 1 where handoff = :handoff
