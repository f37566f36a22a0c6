"""Publications on their way to other databases: as files, loaded in order, compared by hashes."""
