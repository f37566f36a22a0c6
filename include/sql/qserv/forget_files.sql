-- Forget the chunk files of a handoff.
delete from qserv_file where handoff = :handoff
