"""The clients of the archive of alert packets: the stream, the schemas, the shards, the ledger's rows."""
