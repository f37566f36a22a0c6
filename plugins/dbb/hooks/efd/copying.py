"""Copying one hour of a topic from the source into a Parquet file, in bounded memory.

Rows are sorted by time, and those of one time by ``salIndex``. A file appears whole or not at all; its
metadata say where it comes from. What is remarkable about the points is found as they pass by.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dbb.digests import DigestWriter
from dbb.hooks.efd.remarks import Remarks
from dbb.hooks.efd.source import InfluxSource, Shape
from dbb.model.efd import Cadence, Cell, Copied, Count, Topic, to_ns
from dbb.ports.store import Store, Writer

SCHEMA = "dbb-efd/1"
GROUP_VALUES = 2_000_000
"""Values of a row group: 16 MB of numbers."""

COMPRESSION = "zstd"
INDEX = "salIndex"


class ParquetCopier:
    """Copy cells.

    Parameters
    ----------
    source
        Where points come from.
    store
        Where files go.
    """

    def __init__(self, source: InfluxSource, store: Store) -> None:
        self._source = source
        self._store = store

    def copy(
        self, topic: Topic, shape: Shape, points: int, cell: Cell, name: str, at: dt.datetime
    ) -> Copied | None:
        """Write a cell's points into a file; None, and no file, where there are none.

        Parameters
        ----------
        topic, shape, cell
            What to copy.
        points
            About how many points there are.
        name
            The file's name in the store.
        at
            The time of the extraction.

        Raises
        ------
        EfdUnavailable
            If the source fails, however late: there is no file then.
        """
        batches = self._source.read(topic.name, shape, points, cell.begin, cell.end)
        groups = _in_groups(batch for batch in batches if batch.num_rows)
        first = next(groups, None)
        if first is None:
            return None
        with self._store.create(name) as writer:
            sink = _Sink(writer)
            facts = Remarks()
            content = hashlib.sha256()
            schema = first.schema.with_metadata(None)
            told = _with_units(schema, topic)
            with pq.ParquetWriter(sink, told, compression=COMPRESSION) as file:
                group: pa.Table | None = first
                while group is not None:
                    facts.see(group)
                    for batch in group.to_batches():
                        content.update(batch.serialize())
                    file.write_table(group.cast(told), row_group_size=group.num_rows)
                    group = next(groups, None)
                file.add_key_value_metadata(self._provenance(topic, cell, facts, at))
        is_continuous = topic.cadence is Cadence.CONTINUOUS
        fields = {
            each.name: str(each.type)
            for each in schema
            if each.name != "time" and (not is_continuous or facts.present[each.name])
        }
        return Copied(
            rows=facts.rows,
            count=Count(*facts.count(shape.has_sequence)),
            first_ns=facts.first_ns,
            last_ns=facts.last_ns,
            content_sha256=content.hexdigest(),
            fields=fields,
            remarks=facts.remarks(),
            digest=sink.sums.digest(),
        )

    def _provenance(
        self, topic: Topic, cell: Cell, facts: Remarks, at: dt.datetime
    ) -> dict[str, str]:
        return {
            "dbb.schema": SCHEMA,
            "dbb.topic": topic.name,
            "dbb.source": self._source.name,
            "dbb.begin": cell.begin.isoformat(),
            "dbb.end": cell.end.isoformat(),
            "dbb.begin_ns": str(to_ns(cell.begin)),
            "dbb.end_ns": str(to_ns(cell.end)),
            "dbb.cadence": str(topic.cadence),
            "dbb.instruments": " ".join(topic.instruments),
            "dbb.rows": str(facts.rows),
            "dbb.extracted_at": at.isoformat(),
        }


def _with_units(schema: pa.Schema, topic: Topic) -> pa.Schema:
    return pa.schema(
        [
            each.with_metadata({"unit": unit}) if (unit := topic.unit_of(each.name)) else each
            for each in schema
        ]
    )


def _in_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Gather sorted row groups; points of one time are never in two of them."""
    held: list[pa.RecordBatch] = []
    values = 0
    for batch in batches:
        held.append(batch)
        values += batch.num_rows * batch.num_columns
        if values < GROUP_VALUES:
            continue
        table = pa.Table.from_batches(held)
        time = table.column("time")
        cut = pc.index(time, time[-1]).as_py()
        rest = table.slice(cut)
        if cut:
            yield _sorted(table.slice(0, cut))
        held, values = rest.to_batches(), rest.num_rows * rest.num_columns
    if held:
        yield _sorted(pa.Table.from_batches(held))


def _sorted(table: pa.Table) -> pa.Table:
    keys = [("time", "ascending")]
    if INDEX in table.column_names:
        keys.append((INDEX, "ascending"))
    return table.take(pc.sort_indices(table, sort_keys=keys)).combine_chunks()


class _Sink:
    """Take the bytes of a file for a store, and sum them up."""

    closed = False

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.sums = DigestWriter()
        self._size = 0

    def write(self, data: Any) -> int:
        """Append bytes."""
        piece = bytes(data)
        self._writer.write(piece)
        self.sums.update(piece)
        self._size += len(piece)
        return len(piece)

    def tell(self) -> int:
        """Say how many there are."""
        return self._size

    def flush(self) -> None:
        """Do nothing: the store makes them durable at the end."""

    def close(self) -> None:
        """Do nothing: the store closes the file."""

    def writable(self) -> bool:
        """Say that it is."""
        return True

    def readable(self) -> bool:
        """Say that it is not."""
        return False

    def seekable(self) -> bool:
        """Say that it is not."""
        return False
