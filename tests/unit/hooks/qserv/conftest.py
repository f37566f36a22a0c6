"""Parquet files for the tests of the Qserv handoff."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def write(tmp_path):
    """Write a table as a Parquet file; give path and sha256."""

    def to_file(table: pa.Table, name: str = "input.parquet", **options) -> tuple[Path, str]:
        path = tmp_path / name
        pq.write_table(table, path, **options)
        return path, hashlib.sha256(path.read_bytes()).hexdigest()

    return to_file
