"""The second phase: a bucket's rows of all inputs become one CSV file per chunk and overlap.

One file, and not one of each input: each contribution costs Qserv about 0.2 s whatever its size, and its
memory grows with their number.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import polars as pl

from dbb.errors import CatalogUnfit
from dbb.hooks.qserv.director_index import group_overlapping, list_pieces
from dbb.hooks.qserv.spilling import open_duckdb
from dbb.hooks.qserv.staging import BATCH_BYTES, read_batches, read_staged
from dbb.hooks.qserv.values import write_csv
from dbb.model.qserv import ChunkFile, TableKind, TablePlan

MAX_FILE_BYTES = 1024**3
"""A file that would become larger goes on in another."""
DIGEST_BYTES = 20
_OPEN_FILES = 200


class _Csv:
    """One growing file."""

    def __init__(
        self, folder: Path, table: str, chunk: int, part: int, *, is_overlap: bool
    ) -> None:
        self.name = f"chunk_{chunk}{'_overlap' if is_overlap else ''}_{part}.txt"
        self.key = (table, chunk, is_overlap, part)
        self.rows = self.size_bytes = 0
        self._path = folder / self.name
        self._digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self._handle: BinaryIO | None = None

    def add(self, data: bytes, rows: int) -> None:
        """Append lines."""
        if self._handle is None:
            self._handle = self._path.open("ab")
        self._handle.write(data)
        self._digest.update(data)
        self.rows += rows
        self.size_bytes += len(data)

    def rest(self) -> None:
        """Close the handle; adding opens it again."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def describe(self, folder: str) -> ChunkFile:
        """Say what it has become."""
        table, chunk, is_overlap, part = self.key
        path = f"{folder}/{self.name}"
        digest = self._digest.hexdigest()
        return ChunkFile(table, chunk, is_overlap, part, path, self.rows, self.size_bytes, digest)


def reduce_bucket(
    table: TablePlan, bucket: int, staging: Path, max_file_bytes: int = MAX_FILE_BYTES
) -> list[ChunkFile]:
    """Write a bucket's CSV files; no-op when they were written from the same staged inputs."""
    place = f"chunks/{table.name}/bucket_{bucket:04d}"
    folder = staging / place
    parts = _staged_parts(table, bucket, staging)
    key = {"parts": [name for name, _ in parts], "max_file_bytes": max_file_bytes}
    done = read_files(folder)
    if done is not None and done[0] == key:
        return done[1]
    shutil.rmtree(folder, ignore_errors=True)
    work = folder.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    growing: dict[tuple[int, bool], list[_Csv]] = {}
    for frame in _frames(parts, len(table.columns)):
        for rows in frame.partition_by("chunkId", "is_overlap", maintain_order=True):
            chunk, is_overlap = int(rows["chunkId"][0]), bool(rows["is_overlap"][0])
            data = write_csv(_as_loaded(rows, table))
            files = growing.setdefault((chunk, is_overlap), [])
            if not files or files[-1].size_bytes + len(data) > max_file_bytes:
                if files:
                    files[-1].rest()
                files.append(_Csv(work, table.name, chunk, len(files), is_overlap=is_overlap))
            files[-1].add(data, len(rows))
        if len(growing) > _OPEN_FILES:
            for files in growing.values():
                files[-1].rest()
    written = [file for files in growing.values() for file in files]
    for file in written:
        file.rest()
    found = sorted((file.describe(place) for file in written), key=lambda file: file.key)
    document = {"key": key, "files": [dataclasses.asdict(file) for file in found]}
    (work / "files.json").write_text(json.dumps(document))
    work.rename(folder)
    return found


def read_files(folder: Path) -> tuple[dict[str, object], list[ChunkFile]] | None:
    """Read what a bucket became; None where it is not done."""
    try:
        document = json.loads((folder / "files.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return document["key"], [ChunkFile(**each) for each in document["files"]]


def find_duplicates(table: TablePlan, staging: Path) -> list[str]:
    """Look for rows of the same key, over all inputs: the director's key, or the declared columns."""
    rule = table.rule
    columns = [rule.key] if rule.kind is TableKind.DIRECTOR else list(rule.unique)
    if not columns:
        return []
    if rule.kind is TableKind.DIRECTOR:
        pieces = list_pieces(staging, table.name)
        groups = [[str(each.path) for each in some] for some in group_overlapping(pieces)]
        names = "key"
    else:
        by_bucket: dict[str, list[str]] = defaultdict(list)
        for part in sorted((staging / "stage" / table.name).glob("*/bucket_*.parquet")):
            # Rows of one director are in one bucket: so are all that could have its key.
            by_bucket[part.name if rule.director_key in columns else ""].append(str(part))
        groups = list(by_bucket.values())
        names = ", ".join(f'"{name}"' for name in columns)
    # A match that is written to two chunks is one row.
    is_match = rule.kind is TableKind.REF_MATCH
    once = f'"{rule.flag_column}" <> 2 or "{rule.director_key}" is null' if is_match else "true"
    query = f"""
        select {names}, count(*) n from read_parquet($files) where {once}
        group by {names} having n > 1 limit 3
    """  # noqa: S608 - columns of the schema
    found = []
    with open_duckdb(staging) as connection:
        for files in filter(None, groups):
            found += connection.execute(query, {"files": files}).fetchall()
    return [
        f"{', '.join(columns)} = {', '.join(map(str, row[:-1]))} comes {row[-1]} times"
        for row in found[:3]
    ]


def check_unique(table: TablePlan, staging: Path) -> None:
    """Refuse a table with two rows of one key.

    Raises
    ------
    CatalogUnfit
        Naming the first.
    """
    if problems := find_duplicates(table, staging):
        raise CatalogUnfit.for_problems(table.name, problems)


def _staged_parts(table: TablePlan, bucket: int, staging: Path) -> list[tuple[str, Path]]:
    """List the staged parts of a bucket in a fixed order, inputs that are not done left out."""
    found = []
    for folder in sorted((staging / "stage" / table.name).glob("*")):
        path = folder / f"bucket_{bucket:04d}.parquet"
        if path.exists() and read_staged(folder) is not None:
            found.append((folder.name, path))
    return found


def _frames(parts: list[tuple[str, Path]], columns: int) -> Iterator[pl.DataFrame]:
    for _, path in parts:
        for batch in read_batches(path, max(1024, BATCH_BYTES // (8 * columns))):
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table is no single column
            yield frame


def _as_loaded(rows: pl.DataFrame, table: TablePlan) -> pl.DataFrame:
    """Drop what the table does not have."""
    if table.rule.is_partitioned:
        return rows.drop("is_overlap")
    return rows.drop("chunkId", "subChunkId", "is_overlap")
