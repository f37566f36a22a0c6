"""A director's index: the place of each of its rows, found by key in memory that does not grow.

Each input of a director has a piece of its own, sorted by key, and the piece's name says from which key to
which it reaches. A Rubin key begins with its tract, so pieces hardly overlap, and the rows of a child need
the piece or two of their tract, whatever the size of the release. Where keys lie anyhow, all pieces are
read, a group of rows at a time: slower, and in the same memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dbb.hooks.qserv.spilling import open_duckdb

GROUP_ROWS = 122_880
_GROUPS_KEPT = 16
"""Groups held in memory, 4 MB each."""
_NAME = re.compile(r"index_(-?\d+)_(-?\d+)\.parquet")
_SCHEMA = pa.schema(
    [
        ("key", pa.int64()),
        ("chunk", pa.int32()),
        ("sub_chunk", pa.int32()),
        ("ra", pa.float64()),
        ("dec", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Name the index of one input, and the range of its keys."""

    path: Path
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Places:
    """Say where the director's rows of some keys lie: arrays as long as the keys.

    ``piece`` is the number of the piece that has the key, -1 where none has; ``is_given`` tells a key that
    no director has from a key that is null.
    """

    is_given: npt.NDArray[np.bool_]
    piece: npt.NDArray[np.int32]
    chunk: npt.NDArray[np.int32]
    sub_chunk: npt.NDArray[np.int32]
    ra: npt.NDArray[np.float64]
    dec: npt.NDArray[np.float64]

    @property
    def is_found(self) -> npt.NDArray[np.bool_]:
        """Tell which have a director's row."""
        return self.piece >= 0

    def where(self, chosen: npt.NDArray[np.bool_]) -> Places:
        """Take some of them."""
        return Places(
            self.is_given[chosen], self.piece[chosen], self.chunk[chosen], self.sub_chunk[chosen],
            self.ra[chosen], self.dec[chosen],
        )  # fmt: skip


class IndexWriter:
    """Write the piece of one input: as its rows come, then sorted.

    Parameters
    ----------
    folder
        The input's.
    staging
        The handoff's, where sorting may spill.
    """

    def __init__(self, folder: Path, staging: Path) -> None:
        self._folder, self._staging = folder, staging
        self._unsorted = folder / "index.unsorted"
        self._writer: pq.ParquetWriter | None = None

    def add(self, keys: pa.ChunkedArray, *columns: npt.NDArray[Any]) -> None:
        """Note keys with their chunks, sub-chunks, and positions."""
        values = [keys.cast(pa.int64()), *map(pa.array, columns)]
        rows = pa.table(
            [each.cast(field.type) for each, field in zip(values, _SCHEMA, strict=True)],
            schema=_SCHEMA,
        )
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._unsorted, _SCHEMA)
        self._writer.write_table(rows)

    def close(self) -> None:
        """Close what was written, finished or not."""
        if self._writer is not None:
            self._writer.close()

    def sort(self) -> None:
        """Put the piece in order and under its name; no-op for an input without rows."""
        if self._writer is None:
            return
        part, ends = self._folder / "index.part", []
        with open_duckdb(self._staging) as connection, pq.ParquetWriter(part, _SCHEMA) as writer:
            rows = connection.sql(
                "select * from read_parquet($unsorted) order by key",
                params={"unsorted": str(self._unsorted)},
            )
            for batch in rows.to_arrow_reader(GROUP_ROWS):
                if not batch.num_rows:
                    continue
                writer.write_batch(batch.cast(_SCHEMA))
                ends += [batch["key"][0].as_py(), batch["key"][-1].as_py()]
        self._unsorted.unlink()
        if ends:
            part.rename(self._folder / f"index_{ends[0]}_{ends[-1]}.parquet")
        else:
            part.unlink()


def list_pieces(staging: Path, director: str) -> list[Piece]:
    """List a director's pieces by their first keys; those of inputs that are not done are left out."""
    found = []
    for path in (staging / "stage" / director).glob("*/index_*.parquet"):
        named = _NAME.fullmatch(path.name)
        if named and (path.parent / "staged.json").exists():
            found.append(Piece(path, int(named[1]), int(named[2])))
    return sorted(found, key=lambda each: (each.low, each.path))


def group_overlapping(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """Part pieces, sorted by their first keys, into groups that have no key in common."""
    group: list[Piece] = []
    high = 0
    for piece in pieces:
        if group and piece.low > high:
            yield group
            group = []
        high = max(high, piece.high) if group else piece.high
        group.append(piece)
    if group:
        yield group


class DirectorIndex:
    """Find the places of keys.

    Parameters
    ----------
    pieces
        Of one director, as `list_pieces` gives them.
    """

    def __init__(self, pieces: list[Piece]) -> None:
        self._pieces = pieces
        self._lows = np.array([piece.low for piece in pieces], dtype=np.int64)
        self._highs = np.array([piece.high for piece in pieces], dtype=np.int64)
        self._read = lru_cache(maxsize=_GROUPS_KEPT)(_read_group)
        self._ranges = lru_cache(maxsize=1024)(_group_ranges)

    def find(self, keys: pa.ChunkedArray) -> Places:
        """Give each key the place of the director's row that has it."""
        is_given = pc.is_valid(keys).to_numpy()
        wanted = pc.fill_null(keys.cast(pa.int64()), 0).to_numpy()
        count = len(wanted)
        found = Places(
            is_given, np.full(count, -1, np.int32), np.zeros(count, np.int32),
            np.zeros(count, np.int32), np.full(count, np.nan), np.full(count, np.nan),
        )  # fmt: skip
        rows = np.flatnonzero(is_given)
        rows = rows[np.argsort(wanted[rows], kind="stable")]
        wanted = wanted[rows]
        for number in self._reached(wanted):
            path = self._pieces[number].path
            for group, low, high in self._ranges(path):
                begin, end = np.searchsorted(wanted, low), np.searchsorted(wanted, high, "right")
                if begin == end:
                    continue
                index = self._read(path, group)
                at = np.searchsorted(index["key"], wanted[begin:end])
                at = np.minimum(at, len(index["key"]) - 1)
                is_hit = index["key"][at] == wanted[begin:end]
                hit, at = rows[begin:end][is_hit], at[is_hit]
                found.piece[hit] = number
                for name in ("chunk", "sub_chunk", "ra", "dec"):
                    getattr(found, name)[hit] = index[name][at]
        return found

    def _reached(self, wanted: npt.NDArray[np.int64]) -> list[int]:
        """List the pieces, by number, that have at least one of the sorted keys in their range."""
        first = np.searchsorted(wanted, self._lows)
        last = np.searchsorted(wanted, self._highs, "right")
        return [int(each) for each in np.flatnonzero(first < last)]


def _group_ranges(path: Path) -> list[tuple[int, int, int]]:
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(each) for each in range(file.num_row_groups)]
    keys = [group.column(0).statistics for group in groups]
    return [(number, each.min, each.max) for number, each in enumerate(keys)]


def _read_group(path: Path, group: int) -> dict[str, npt.NDArray[Any]]:
    with pq.ParquetFile(path, pre_buffer=False, memory_map=False) as file:
        rows = file.read_row_group(group, use_threads=False)
    return {name: rows[name].to_numpy() for name in _SCHEMA.names}
