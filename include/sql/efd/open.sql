-- Read the hours to extract: those that failed least first, and of these the newest.
-- Parameters: topics, begin_at, end_at, most. Index: efd_cell_state.
select * from efd_cell
where state = 'open' and begin_at >= :begin_at and begin_at < :end_at and topic in :topics
order by attempts, begin_at desc, topic
limit :most
