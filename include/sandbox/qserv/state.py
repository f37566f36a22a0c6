"""Keep what the controller and the workers know in MariaDB, so that it survives their restarts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

STATE = "qserv_contract"
"""The database of the server's own state."""

_TABLES = (
    "family (name VARCHAR(64) PRIMARY KEY, num_stripes INT, num_sub_stripes INT, overlap DOUBLE)",
    (
        "catalog (name VARCHAR(64) PRIMARY KEY, family VARCHAR(64), is_published INT DEFAULT 0,"
        " auto_index INT, config LONGTEXT, create_time BIGINT, publish_time BIGINT DEFAULT 0)"
    ),
    (
        "tbl (catalog VARCHAR(64), name VARCHAR(64), is_published INT DEFAULT 0, info LONGTEXT,"
        " PRIMARY KEY (catalog, name))"
    ),
    (
        "replica (catalog VARCHAR(64), chunk INT UNSIGNED, worker VARCHAR(16),"
        " PRIMARY KEY (catalog, chunk), KEY (chunk))"
    ),
    (
        "trans (id INT PRIMARY KEY AUTO_INCREMENT, catalog VARCHAR(64), state VARCHAR(16),"
        " context LONGTEXT, log LONGTEXT, begin_time BIGINT, start_time BIGINT DEFAULT 0,"
        " transition_time BIGINT DEFAULT 0, end_time BIGINT DEFAULT 0, KEY (catalog))"
    ),
    (
        "contrib (id INT PRIMARY KEY AUTO_INCREMENT, trans INT, worker VARCHAR(16),"
        " status VARCHAR(16), is_async INT, info LONGTEXT, KEY (trans), KEY (worker, status))"
    ),
    (
        "row_count (catalog VARCHAR(64), tbl VARCHAR(64), trans INT, chunk INT UNSIGNED,"
        " is_overlap INT, num_rows BIGINT, update_time BIGINT,"
        " PRIMARY KEY (catalog, tbl, trans, chunk, is_overlap))"
    ),
    "fault (id INT PRIMARY KEY AUTO_INCREMENT, kind VARCHAR(16), remaining INT, info LONGTEXT)",
)

_GONE = {2006, 2013}


def now_ms() -> int:
    """Give the time as Qserv does: in milliseconds of the Unix epoch."""
    return time.time_ns() // 1_000_000


class State:
    """Run statements on a connection of the calling thread's own.

    Parameters
    ----------
    address
        What `pymysql.connect` takes: host, port, user, password.
    """

    def __init__(self, address: Mapping[str, Any]) -> None:
        self._address = address
        self._local = threading.local()

    def make(self) -> None:
        """Create the state's tables where they are not there yet."""
        self.run(f"CREATE DATABASE IF NOT EXISTS `{STATE}`")
        for table in _TABLES:
            self.run(f"CREATE TABLE IF NOT EXISTS `{STATE}`.{table} ENGINE=Aria CHARSET=utf8mb4")

    def connection(self) -> pymysql.Connection[DictCursor]:
        """Give this thread's connection, opened anew when the server was away."""
        kept = getattr(self._local, "connection", None)
        if kept is None:
            kept = pymysql.connect(
                **self._address, autocommit=True, charset="utf8mb4", cursorclass=DictCursor
            )
            self._local.connection = kept
        return kept

    def close(self) -> None:
        """Close this thread's connection."""
        kept = getattr(self._local, "connection", None)
        if kept is not None:
            kept.close()
            self._local.connection = None

    def _cursor(self, sql: str, args: tuple[Any, ...]) -> DictCursor:
        for attempt in (1, 2):
            cursor = self.connection().cursor()
            try:
                # pymysql reads every % as a place for an argument once there are any.
                cursor.execute(sql, args or None)
            except (pymysql.OperationalError, pymysql.InterfaceError) as error:
                if error.args[0] in {*_GONE, 0} and attempt == 1:
                    self._local.connection = None
                    continue
                raise
            return cursor
        raise AssertionError

    def all(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        """Give all rows of a query."""
        with self._cursor(sql, args) as cursor:
            return list(cursor.fetchall())

    def one(self, sql: str, *args: Any) -> dict[str, Any] | None:
        """Give the first row of a query, or `None`."""
        rows = self.all(sql, *args)
        return rows[0] if rows else None

    def run(self, sql: str, *args: Any) -> int:
        """Run a statement and give the number of rows that it changed."""
        with self._cursor(sql, args) as cursor:
            return int(cursor.rowcount)

    def insert(self, table: str, **values: Any) -> int:
        """Insert a row of the state and give its number."""
        names = ", ".join(values)
        places = ", ".join(["%s"] * len(values))
        sql = f"INSERT INTO `{STATE}`.{table} ({names}) VALUES ({places})"
        with self._cursor(sql, tuple(values.values())) as cursor:
            return int(cursor.lastrowid or 0)

    def select(self, table: str, **where: Any) -> list[dict[str, Any]]:
        """Give the rows of the state that have these values, in the order of their key."""
        terms = " AND ".join(f"{name} = %s" for name in where) or "1"
        return self.all(f"SELECT * FROM `{STATE}`.{table} WHERE {terms}", *where.values())

    def update(self, table: str, values: Mapping[str, Any], **where: Any) -> int:
        """Set values of the rows that have others; give the number of rows changed."""
        sets = ", ".join(f"{name} = %s" for name in values)
        terms = " AND ".join(f"{name} = %s" for name in where)
        sql = f"UPDATE `{STATE}`.{table} SET {sets} WHERE {terms}"
        return self.run(sql, *values.values(), *where.values())

    def delete(self, table: str, **where: Any) -> int:
        """Delete the rows of the state that have these values."""
        terms = " AND ".join(f"{name} = %s" for name in where) or "1"
        return self.run(f"DELETE FROM `{STATE}`.{table} WHERE {terms}", *where.values())


def packed(value: Any) -> str:
    """Write a JSON value as the state keeps it."""
    return json.dumps(value, separators=(",", ":"))
