"""The first phase: each input's rows are judged, given their chunks, and laid down by bucket.

A bucket is ``chunk % buckets``. Whatever the size of an input, memory holds one batch and a buffer of
rows. A staged input is a folder whose ``staged.json`` is written last: with it, the work is done; without
it, it is done again from the beginning.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dbb.errors import CatalogUnfit
from dbb.hooks.qserv.chunker import Chunker
from dbb.hooks.qserv.director_index import DirectorIndex, IndexWriter, Places, list_pieces
from dbb.hooks.qserv.values import clean, find_misfits, merge, sampled_columns, statistics
from dbb.model.qserv import (
    ColumnStatistics,
    OnBadPosition,
    OnOrphan,
    ReleasePlan,
    TableKind,
    TablePlan,
)

VERSION = 2
"""Raise it when staged files would come out otherwise."""
BATCH_BYTES = 16 * 1024 * 1024
BUFFER_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Staged:
    """Count what became of an input's rows."""

    table: str
    source: str
    rows: int
    """Rows of the file."""
    kept: int
    overlap: int
    quarantined: int
    wrapped: int
    elsewhere: int = 0
    """A child's rows whose director's row is of another file than that of most of them."""
    twice: int = 0
    """Matches that are written to two chunks."""
    parts: dict[int, int] = field(default_factory=dict)
    """Rows in each bucket."""
    statistics: dict[str, ColumnStatistics] = field(default_factory=dict)


def stage_input(
    plan: ReleasePlan, table: TablePlan, source: Path, sha256: str, staging: Path, buckets: int
) -> Staged:
    """Stage one Parquet file; no-op when it is staged already by the same plan.

    Parameters
    ----------
    plan, table
        What is made.
    source, sha256
        The file and its digest, by which the work is known again.
    staging
        The handoff's folder.
    buckets
        Number of buckets of every table.

    Raises
    ------
    CatalogUnfit
        If rows have no place, or values that the database would change. Nothing is left behind.
    """
    folder = staging / "stage" / table.name / sha256[:16]
    key = {
        "version": VERSION,
        "sha256": sha256,
        "buckets": buckets,
        "layout": dataclasses.asdict(plan.layout),
        "columns": [f"{column.name} {column.type}" for column in table.columns],
        "rule": repr(table.rule),
        "directors": _directors_digest(table, staging),
    }
    done = read_staged(folder)
    if done is not None and done[0] == key:
        return done[1]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        staged = _Staging(plan, table, source, staging, folder, buckets).run()
    except CatalogUnfit:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    mark = folder / "staged.tmp"
    mark.write_text(json.dumps({"key": key, "staged": dataclasses.asdict(staged)}))
    mark.rename(folder / "staged.json")
    return staged


def _directors_digest(table: TablePlan, staging: Path) -> str:
    """Name the directors' inputs: with another of them, rows may have another place."""
    names = sorted({name for name in (table.rule.director, table.rule.director2) if name})
    pieces = [piece.path for name in names for piece in list_pieces(staging, name)]
    text = "\n".join(f"{path.parent.name}/{path.name}" for path in pieces)
    return hashlib.sha256(text.encode()).hexdigest() if names else ""


def read_staged(folder: Path) -> tuple[dict[str, Any], Staged] | None:
    """Read the mark of a staged input; None where it is not done."""
    try:
        document = json.loads((folder / "staged.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    given = document["staged"]
    given["parts"] = {int(bucket): rows for bucket, rows in given["parts"].items()}
    given["statistics"] = {
        name: ColumnStatistics(**each) for name, each in given["statistics"].items()
    }
    return document["key"], Staged(**given)


def read_batches(path: Path, rows: int) -> Iterator[pa.Table]:
    """Read a Parquet file some rows at a time; read ahead, Arrow would hold the whole file."""
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1024 * 1024) as file:
        for batch in file.iter_batches(batch_size=rows):
            yield pa.Table.from_batches([batch])


class _Buckets:
    """Write rows to one Parquet file a bucket, a few megabytes at a time."""

    def __init__(self, folder: Path, buckets: int) -> None:
        self._folder, self._buckets = folder, buckets
        self._waiting: dict[int, list[pl.DataFrame]] = {}
        self._writers: dict[int, pq.ParquetWriter] = {}
        self._bytes = 0
        self.rows: dict[int, int] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Take rows with their place; ``chunkId`` decides."""
        marked = frame.with_columns((pl.col("chunkId") % self._buckets).alias("bucket"))
        for part in marked.partition_by("bucket", maintain_order=True):
            bucket = int(part["bucket"][0])
            self._waiting.setdefault(bucket, []).append(part.drop("bucket"))
            self.rows[bucket] = self.rows.get(bucket, 0) + len(part)
        self._bytes += int(frame.estimated_size())
        if self._bytes > BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        for bucket, parts in self._waiting.items():
            rows = pl.concat(parts).to_arrow()
            if bucket not in self._writers:
                path = self._folder / f"bucket_{bucket:04d}.parquet"
                self._writers[bucket] = pq.ParquetWriter(path, rows.schema, compression="lz4")
            self._writers[bucket].write_table(rows)
        self._waiting.clear()
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        for writer in self._writers.values():
            writer.close()


class _Staging:
    """Do the work of one input."""

    def __init__(
        self,
        plan: ReleasePlan,
        table: TablePlan,
        source: Path,
        staging: Path,
        folder: Path,
        buckets: int,
    ) -> None:
        self._table, self._rule = table, table.rule
        self._source, self._staging, self._folder = source, staging, folder
        self._buckets = buckets
        self._chunker = Chunker(plan.layout)
        self._sampled = sampled_columns(table)
        self._counts = dict.fromkeys(
            ("rows", "kept", "overlap", "quarantined", "wrapped", "twice"), 0
        )
        self._homes: Counter[int] = Counter()
        self._index = IndexWriter(folder, staging)
        self._quarantine: pq.ParquetWriter | None = None

    def run(self) -> Staged:
        """Stage all rows."""
        how = {
            TableKind.DIRECTOR: self._director,
            TableKind.CHILD: self._child,
            TableKind.REF_MATCH: self._ref_match,
            TableKind.REGULAR: self._regular,
        }[self._rule.kind]
        sums: list[dict[str, ColumnStatistics]] = []
        try:
            with _Buckets(self._folder, self._buckets) as buckets:
                for rows in how():
                    own = rows.filter(~pl.col("is_overlap"))
                    sums = [merge([*sums, statistics(self._shown(own), self._sampled)])]
                    self._counts["kept"] += len(own)
                    self._counts["overlap"] += len(rows) - len(own)
                    buckets.add(rows)
        finally:
            self._index.close()
            if self._quarantine is not None:
                self._quarantine.close()
        self._index.sort()
        return Staged(
            table=self._table.name,
            source=self._source.name,
            **self._counts,
            elsewhere=self._homes.total() - max(self._homes.values(), default=0),
            parts=buckets.rows,
            statistics=sums[0] if sums else {},
        )

    def _shown(self, own: pl.DataFrame) -> pl.DataFrame:
        """Leave out the second writing of a match, as Qserv does for whoever asks for matches alone."""
        rule = self._rule
        if rule.kind is not TableKind.REF_MATCH:
            return own
        is_first = pl.col(rule.flag_column) != 2
        return own.filter(is_first | pl.col(rule.director_key).is_null())

    # -- the four kinds of table -----------------------------------------------------------------

    def _director(self) -> Iterator[pl.DataFrame]:
        for batch in self._batches():
            rows = self._gate(batch)
            ra, dec = (
                rows[name].cast(pa.float64()).to_numpy() for name in (self._rule.ra, self._rule.dec)
            )
            place = self._chunker.locate(ra, dec)
            self._index.add(rows[self._rule.key], place.chunk, place.sub_chunk, ra, dec)
            yield self._placed(rows, place.chunk, place.sub_chunk, is_overlap=False)
            copies = self._chunker.overlaps(ra, dec)
            if len(copies.row):
                yield self._placed(
                    rows.take(pa.array(copies.row)), copies.chunk, copies.sub_chunk, is_overlap=True
                )

    def _child(self) -> Iterator[pl.DataFrame]:
        index = self._index_of(self._rule.director)
        for batch in self._batches():
            places = index.find(batch[self._rule.director_key])
            rows = self._without_orphans(batch, places.is_found)
            places = places.where(places.is_found)
            pieces, counts = np.unique(places.piece, return_counts=True)
            self._homes.update(dict(zip(pieces.tolist(), counts.tolist(), strict=True)))
            yield self._placed(rows, places.chunk, places.sub_chunk, is_overlap=False)

    def _ref_match(self) -> Iterator[pl.DataFrame]:
        """Write a match to the chunks of both partners: flag 3 where it is one, else 1 left and 2 right.

        Source: Qserv's ``sph-partition-matches``. A match may lack one partner, whose key is null then;
        a key that no director has is an orphan: Qserv would show such a row to some queries only.
        """
        rule = self._rule
        lefts, rights = self._index_of(rule.director), self._index_of(rule.director2)
        for batch in self._batches():
            left, right = (
                lefts.find(batch[rule.director_key]),
                rights.find(batch[rule.director_key2]),
            )
            is_known = (left.is_found | right.is_found) & ~(
                (left.is_given & ~left.is_found) | (right.is_given & ~right.is_found)
            )
            rows = self._without_orphans(batch, is_known)
            left, right = left.where(is_known), right.where(is_known)
            self._check_separation(left, right)
            is_pair = left.is_found & right.is_found
            is_same = is_pair & (left.chunk == right.chunk)
            self._counts["twice"] += int((is_pair & ~is_same).sum())
            for chosen, side, value in (
                (is_same, left, 3),
                (left.is_found & ~is_same, left, 1),
                (right.is_found & ~is_same, right, 2),
            ):
                if chosen.any():
                    place = side.where(chosen)
                    frame = self._placed(
                        rows.filter(pa.array(chosen)),
                        place.chunk,
                        place.sub_chunk,
                        is_overlap=False,
                    )
                    yield frame.with_columns(pl.lit(value, dtype=pl.Int8).alias(rule.flag_column))

    def _regular(self) -> Iterator[pl.DataFrame]:
        for batch in self._batches():
            nowhere = np.zeros(batch.num_rows, dtype=np.int64)
            yield self._placed(batch, nowhere, nowhere, is_overlap=False)

    # -- reading ---------------------------------------------------------------------------------

    def _batch_rows(self) -> int:
        return max(1024, min(131_072, BATCH_BYTES // (8 * max(1, len(self._table.columns)))))

    def _batches(self) -> Iterator[pa.Table]:
        for batch in read_batches(self._source, self._batch_rows()):
            yield self._judged(batch)

    def _index_of(self, director: str) -> DirectorIndex:
        pieces = list_pieces(self._staging, director)
        if not pieces:
            raise CatalogUnfit.for_problems(
                self._table.name, [f"its director {director} has no rows; hand it over first"]
            )
        return DirectorIndex(pieces)

    def _judged(self, batch: pa.Table) -> pa.Table:
        self._counts["rows"] += batch.num_rows
        problems = find_misfits(batch, self._table)
        problems += [
            f"column {column.name} is null in {count} rows"
            for column in self._table.columns
            if column.not_null and column.name in batch.column_names
            and column.name not in (self._rule.ra, self._rule.dec)
            and column.name not in (self._rule.director_key, self._rule.director_key2)
            and (count := batch[column.name].null_count)
        ]  # fmt: skip
        if problems:
            raise CatalogUnfit.for_problems(f"{self._table.name} {self._source.name}", problems)
        return batch

    # -- positions -------------------------------------------------------------------------------

    def _gate(self, batch: pa.Table) -> pa.Table:
        """Let only positions through that are on the sky; the others as the overlay says."""
        rule = self._rule
        ra, dec = (pc.cast(batch[name], pa.float64()) for name in (rule.ra, rule.dec))
        numbers = pc.and_(pc.is_finite(ra), pc.is_finite(dec))
        if rule.on_bad_position is OnBadPosition.WRAP:
            values = pc.fill_null(ra, float("nan")).to_numpy(zero_copy_only=False)
            off = np.isfinite(values) & ((values < 0) | (values >= 360))
            if off.any():
                turned = np.mod(values, 360.0)
                turned[turned >= 360.0] = 0.0
                place = batch.column_names.index(rule.ra)
                kind = batch.schema.field(rule.ra).type
                ra = pa.array(np.where(off, turned, values))
                batch = batch.set_column(place, rule.ra, ra.cast(kind, safe=False))
                self._counts["wrapped"] += int(off.sum())
        is_good = pc.fill_null(
            pc.and_(
                numbers,
                pc.and_(
                    pc.and_(pc.greater_equal(ra, 0.0), pc.less(ra, 360.0)),
                    pc.and_(pc.greater_equal(dec, -90.0), pc.less_equal(dec, 90.0)),
                ),
            ),
            fill_value=False,
        )
        bad = batch.num_rows - (pc.sum(is_good).as_py() or 0)
        if bad and rule.on_bad_position is not OnBadPosition.QUARANTINE:
            raise CatalogUnfit.for_problems(
                f"{self._table.name} {self._source.name}",
                [f"{bad} rows have no position on the sky ({rule.ra}, {rule.dec})"],
            )
        return self._kept(batch, is_good, bad)

    def _without_orphans(self, rows: pa.Table, is_known: npt.NDArray[np.bool_]) -> pa.Table:
        orphans = int((~is_known).sum())
        if orphans and self._rule.on_orphan is OnOrphan.FAIL:
            raise CatalogUnfit.for_problems(
                f"{self._table.name} {self._source.name}",
                [
                    f"{orphans} rows have no {self._rule.director} of their {self._rule.director_key}"
                    + (f", or no {self._rule.director2}" if self._rule.director2 else "")
                ],
            )
        return self._kept(rows, pa.array(is_known), orphans)

    def _check_separation(self, left: Places, right: Places) -> None:
        a_ra, a_dec, b_ra, b_dec = map(np.radians, (left.ra, left.dec, right.ra, right.dec))
        haversine = (
            np.sin((b_dec - a_dec) / 2) ** 2
            + np.cos(a_dec) * np.cos(b_dec) * np.sin((b_ra - a_ra) / 2) ** 2
        )
        apart_arcsec = np.degrees(2 * np.arcsin(np.sqrt(haversine))) * 3600
        most = float(self._rule.ang_sep_arcsec)
        if far := int((apart_arcsec > most).sum()):
            raise CatalogUnfit.for_problems(
                f"{self._table.name} {self._source.name}",
                [f"{far} matches are further apart than {most:g} arcsec"],
            )

    def _kept(self, rows: pa.Table, chosen: pa.Array | pa.ChunkedArray, others: int) -> pa.Table:
        if not others:
            return rows
        left_out = rows.filter(pc.invert(chosen))
        if self._quarantine is None:
            path = self._folder / "quarantine.parquet"
            self._quarantine = pq.ParquetWriter(path, left_out.schema)
        self._quarantine.write_table(left_out)
        self._counts["quarantined"] += others
        return rows.filter(chosen)

    # -- writing ---------------------------------------------------------------------------------

    def _placed(
        self, rows: pa.Table, chunk: Any, sub_chunk: Any, *, is_overlap: bool
    ) -> pl.DataFrame:
        return clean(rows, self._table).with_columns(
            pl.Series("chunkId", chunk, dtype=pl.Int32),
            pl.Series("subChunkId", sub_chunk, dtype=pl.Int32),
            pl.lit(is_overlap).alias("is_overlap"),
        )
