"""The rows that a Qserv has, asked by SQL: those that are published, and those at its workers."""

from __future__ import annotations

from collections import Counter

import pymysql


def keys(contract, handoff, table="Object", column="objectId"):
    """Count each key of a published table."""
    with pymysql.connect(**contract.czar()) as connection, connection.cursor() as cursor:
        cursor.execute(f"select {column} from `{handoff.plan.database}`.`{table}`")  # noqa: S608
        return Counter(row[0] for row in cursor.fetchall())


def at_workers(contract, handoff, table):
    """Give all rows of a table by the worker, and by the chunk that is in the table's name."""
    found = []
    with contract.mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "select table_schema, table_name from information_schema.tables"
            " where table_schema like %s and table_name regexp %s",
            (f"worker-%{handoff.plan.database}", f"^{table}(FullOverlap)?(_[0-9]+)?$"),
        )
        for place, name in cursor.fetchall():
            cursor.execute(f"select * from `{place}`.`{name}`")  # noqa: S608
            found += [(place, name, *row[1:]) for row in cursor.fetchall()]
    return found
