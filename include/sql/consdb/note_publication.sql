-- Record a publication. Parameters: the columns.
insert into consdb_publication (publication_id, at, versions, digest, reason, actor)
values (:publication_id, :at, :versions, :digest, :reason, :actor)
