"""A server that keeps the contract of Qserv's ingest API, over a real MariaDB, for tests.

It is no Qserv: it has no query engine and one database server instead of one a worker.
What it imitates, and from which public sources that is known, is told in
``docs/reference/qserv-contract.md``.
"""
