"""Everything of the Qserv handoff that needs a library: chunks, Parquet, CSV, Felis, HTTP and SQL."""
