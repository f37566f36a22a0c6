"""Reading the archive of the Engineering and Facilities Database: a topic's samples in a span of time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dbb.errors import EfdSchemaChanged
from dbb.hooks.efd.source import TIME
from dbb.model.efd import EfdFile, hour_of, to_ns
from dbb.model.kind import Kind
from dbb.ports.store import Store

UNIT = b"unit"


class Current(Protocol):
    """Know which files are current."""

    def current(self, topic: str, begin: dt.datetime, end: dt.datetime) -> list[EfdFile]:
        """Read a topic's current files of the hours that begin in a span, in order."""


class EfdArchive:
    """Give samples out of the current files.

    Parameters
    ----------
    cells
        Which files are current.
    store
        Where they are.
    """

    def __init__(self, cells: Current, store: Store) -> None:
        self._cells = cells
        self._store = store

    def samples(
        self, topic: str, columns: Sequence[str], begin: dt.datetime, end: dt.datetime
    ) -> pa.Table:
        """Give the samples of a topic from ``begin`` up to before ``end``, in the order of their times.

        Parameters
        ----------
        topic
            Its name, ``lsst.sal.MTMount.encoder``.
        columns
            Names of fields; one that a file does not have is null there.
        begin, end
            Times, aware. Hours that are not extracted have no samples: the ledger knows which.

        Returns
        -------
        pyarrow.Table
            ``time`` (nanoseconds, UTC), and the columns in the order asked for; with the metadata ``unit``
            where it is known. Where it changed within the span, it names both.

        Raises
        ------
        EfdSchemaChanged
            If a field was retyped within the span so that its values have no type in common.
        MissingCopy
            If a current file is not there.
        """
        wanted = [name for name in dict.fromkeys(columns) if name != "time"]
        lower, upper = pa.scalar(to_ns(begin), TIME.type), pa.scalar(to_ns(end), TIME.type)
        tables = [pa.table({"time": pa.array([], TIME.type)})]
        units: dict[str, set[str]] = {}
        for file in self._cells.current(topic, hour_of(begin), end):
            table = self._read(file, wanted, units)
            time = table.column("time")
            inside = pc.and_(pc.greater_equal(time, lower), pc.less(time, upper))
            tables.append(table.filter(inside))
        try:
            whole = pa.concat_tables(tables, promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise EfdSchemaChanged.for_topic(topic, error) from error
        for name in wanted:
            if name not in whole.column_names:
                whole = whole.append_column(name, pa.nulls(whole.num_rows, pa.float64()))
        whole = whole.select(["time", *wanted])
        return whole.cast(pa.schema([_with_unit(each, units) for each in whole.schema]))

    def _read(self, file: EfdFile, wanted: Sequence[str], units: dict[str, set[str]]) -> pa.Table:
        with self._store.open(f"{Kind.FILE.scope}/{file.name}") as stream:
            # In this thread: one of Arrow's that holds a stream of Python's at the end aborts the process.
            parquet = pq.ParquetFile(stream, pre_buffer=False)
            there = set(parquet.schema_arrow.names)
            columns = ["time", *(name for name in wanted if name in there)]
            table = parquet.read(columns, use_threads=False)
        for each in table.schema:
            if each.metadata and UNIT in each.metadata:
                units.setdefault(each.name, set()).add(each.metadata[UNIT].decode())
        plain = [each.remove_metadata() for each in table.schema]
        return table.cast(pa.schema(plain))


def _with_unit(column: pa.Field, units: Mapping[str, set[str]]) -> pa.Field:
    told = ", ".join(sorted(units.get(column.name, ())))
    return column.with_metadata({UNIT: told.encode()}) if told else column
