-- Record a publication. Parameters: the columns.
insert into efd_publication (publication_id, instrument, begin_at, end_at, at, config_sha256,
    config_version, exposures, versions, digest, reason, actor)
values (:publication_id, :instrument, :begin_at, :end_at, :at, :config_sha256,
    :config_version, :exposures, :versions, :digest, :reason, :actor)
