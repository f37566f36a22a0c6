-- Begin with a partition. Parameters: topic, partition. Index: primary key.
insert into alert_offset (topic, partition, next_offset, lost) values (:topic, :partition, 0, 0)
on conflict do nothing
