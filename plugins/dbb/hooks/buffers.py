"""What the ledger's database knows of buffers."""

from __future__ import annotations

import datetime as dt

from dbb.hooks.ledger import SqlLedger


class SqlBufferRows:
    """Know from the ledger what came to a buffer, and what it still holds.

    Parameters
    ----------
    ledger
        The database.
    """

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    def busiest_day(self, endpoint: str, since: dt.datetime) -> int:
        """Give the bytes that arrived at an endpoint on its busiest day since a time."""
        rows = self._ledger.rows("buffer/arrivals", endpoint=endpoint, since_at=since)
        return max((int(row.size_bytes) for row in rows), default=0)

    def held(self, endpoint: str) -> list[str]:
        """Name the units whose files an endpoint holds, verified."""
        return [row.unit for row in self._ledger.rows("buffer/held", endpoint=endpoint)]
