"""Where telemetry's samples come from: a port, and the archive of Parquet files behind it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dbb.errors import EfdUnavailable

TIME = pa.timestamp("ns", tz="UTC")


class Samples(Protocol):
    """Give the samples of a topic."""

    def samples(
        self, topic: str, columns: Sequence[str], begin: dt.datetime, end: dt.datetime
    ) -> pa.Table:
        """Read ``[begin, end)``: a column ``time`` (ns, UTC, sorted), and those asked for.

        A topic that was silent gives no rows. What could not be read is an error, never an empty
        answer.
        """


class ParquetSamples:
    """Read samples of a folder ``topic=<topic>/*.parquet``.

    Parameters
    ----------
    folder
        The archive; each file has a column ``time``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def samples(
        self, topic: str, columns: Sequence[str], begin: dt.datetime, end: dt.datetime
    ) -> pa.Table:
        """Read the samples of a topic.

        Raises
        ------
        EfdUnavailable
            If the archive has no such topic, or a file has no such field.
        """
        files = sorted((self._folder / f"topic={topic}").glob("*.parquet"))
        if not files:
            raise EfdUnavailable.for_query(topic, "the archive has no file of it")
        first, last = (pa.scalar(each, type=TIME) for each in (begin, end))
        try:
            parts = [
                pq.read_table(
                    file,
                    columns=["time", *columns],
                    filters=(pc.field("time") >= first) & (pc.field("time") < last),
                    partitioning=None,
                )
                for file in files
            ]
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise EfdUnavailable.for_query(topic, error) from error
        table = pa.concat_tables(parts)
        missing = [name for name in columns if name not in table.column_names]
        if missing:
            raise EfdUnavailable.for_query(topic, f"it has no field {missing[0]}")
        return table.sort_by("time")
