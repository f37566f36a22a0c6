-- Read the versions of messages that publications brought. Parameters: first, last. Index: exposure_log_publication.
select * from exposure_log_version
where publication_from between :first and :last
order by publication_from, message_id
