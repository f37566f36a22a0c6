-- Take the next version of an hour's files: nobody else gets it. Parameters: topic, begin_at. Index: primary key.
update efd_cell set claimed = claimed + 1 where topic = :topic and begin_at = :begin_at
