-- Read the hours of topics in a span of time. Parameters: topics, begin_at, end_at. Index: efd_cell_time.
select * from efd_cell
where begin_at >= :begin_at and begin_at < :end_at and topic in :topics
order by begin_at, topic
