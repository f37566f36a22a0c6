-- Forget the checks of a handoff.
delete from qserv_check where handoff = :handoff
