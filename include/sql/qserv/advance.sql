-- Move a handoff forward. :before lists the stages that come before.
-- Index: the primary key.
update qserv_handoff set stage = :stage, changed_at = :at, actor = :actor
where handoff = :handoff and stage in :before
