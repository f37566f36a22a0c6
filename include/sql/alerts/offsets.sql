-- Read how far a topic was taken. Parameters: topic. Index: primary key.
select topic, partition, next_offset, lost from alert_offset where topic = :topic order by partition
