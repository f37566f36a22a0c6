-- Record the end of a maintenance, once. Parameters: number, at, actor. Index: primary key.
update maintenance set ended_at = :at, ended_by = :actor where number = :number and ended_at is null
