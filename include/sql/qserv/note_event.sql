-- Append to a handoff's history.
insert into qserv_event (handoff, at, stage, actor) values (:handoff, :at, :stage, :actor)
