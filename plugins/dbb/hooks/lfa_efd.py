"""What the EFD keeps of the annex's events: they were events once, and are there to be asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from dbb.hooks.influx import Influx

MEASUREMENTS = r"/^lsst\.sal\..*\.logevent_largeFileObjectAvailable$/"
FIELDS = ("url", "generator", "mimeType", "byteSize", "checkSum", "id")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class EfdEvents:
    """Read events of the annex from the EFD.

    Parameters
    ----------
    influx
        The EFD.
    """

    def __init__(self, influx: Influx) -> None:
        self._influx = influx

    @property
    def name(self) -> str:
        """Give the name by which the ledger remembers up to when it was asked."""
        return self._influx.database

    def events(self, begin: dt.datetime, end: dt.datetime) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give the events from ``begin`` up to before ``end``: the measurement, and its fields.

        Raises
        ------
        EfdUnavailable
            If it does not answer, or not to the end.
        """
        columns = ", ".join(f'"{field}"' for field in FIELDS)
        window = f"time >= {_ns(begin)} AND time < {_ns(end)}"
        # Two whole numbers and constants: nothing from outside is in it.
        statement = f"SELECT {columns} FROM {MEASUREMENTS} WHERE {window} /* dbb */"  # noqa: S608
        for series in self._influx.query(statement):
            for row in series.rows:
                yield series.name, dict(zip(series.columns, row, strict=True))


def _ns(time: dt.datetime) -> int:
    return (time - _EPOCH) // dt.timedelta(microseconds=1) * 1000
