-- Record that a copy was read again and is right. Parameters: unit, endpoint, at. Index: primary key.
update delivery
set verified_at = :at, read_again_at = :at
where unit = :unit and endpoint = :endpoint and state = 'published'
