"""What the ledger's database knows of outages."""

from __future__ import annotations

import datetime as dt
from typing import Any

from dbb.flows.outage_history import Hour
from dbb.flows.outages import Span
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import to_time

KNOWN = dt.datetime(1990, 1, 1, tzinfo=dt.UTC)
"""A rebuilt ledger does not know when an exposure was complete, and says an earlier time."""


class SqlOutages(LedgerHook):
    """Answer when what was published, what waits, and when nothing was to be."""

    def known_since(self) -> dt.datetime | None:
        """Tell since when there is a history."""
        (row,) = self._ledger.rows("outage/known_since")
        return _time(row.at)

    def hours(self, archive: str, since: dt.datetime) -> list[Hour]:
        """Sum up first publications of raw exposures by hour, in order."""
        rows = self._ledger.rows("outage/hours", endpoint=archive, since_at=since, known_at=KNOWN)
        return [Hour(to_time(r.first_at), to_time(r.last_at), _time(r.oldest_at)) for r in rows]

    def waits_since(self, source: str, archive: str) -> dt.datetime | None:
        """Tell since when a complete exposure waits now; None where none does."""
        (row,) = self._ledger.rows("outage/waiting", source=source, archive=archive, known_at=KNOWN)
        return _time(row.oldest_at)

    def maintenances(self, since: dt.datetime) -> list[Span]:
        """Read the maintenances that lasted then or later."""
        rows = self._ledger.rows("outage/maintenances", since_at=since)
        return [Span(to_time(row.begun_at), _time(row.ended_at)) for row in rows]


def _time(value: Any) -> dt.datetime | None:
    return None if value is None else to_time(value)
