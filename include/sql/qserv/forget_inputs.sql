-- Forget the inputs of a handoff.
delete from qserv_input where handoff = :handoff
