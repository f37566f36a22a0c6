"""DuckDB with little memory: what is larger goes to disk beside the staged files."""

from __future__ import annotations

from pathlib import Path

import duckdb

DUCKDB_MEMORY = "256MB"


def open_duckdb(staging: Path) -> duckdb.DuckDBPyConnection:
    """Open a database in memory that goes to disk when it becomes large."""
    spill = staging / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    connection.execute(f"set memory_limit = '{DUCKDB_MEMORY}'")
    connection.execute(f"set temp_directory = '{spill}'")
    connection.execute("set threads = 1")
    return connection
