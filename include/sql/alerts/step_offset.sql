-- Say how far a partition is taken; nothing where somebody else took of it meanwhile.
-- Parameters: topic, partition, old_offset, next_offset, lost. Index: primary key.
update alert_offset set next_offset = :next_offset, lost = lost + :lost
where topic = :topic and partition = :partition and next_offset = :old_offset
