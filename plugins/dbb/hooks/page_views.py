"""What the pages ask the ledger's database beside nights: what moves, what waits, how many copies."""

from __future__ import annotations

import datetime as dt
from typing import Any

from dbb.flows.buffers import Expiries
from dbb.flows.now import Waiting
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import to_time
from dbb.model.delivery import State


class SqlViews(LedgerHook):
    """Answer what the pages ask."""

    def waiting(self) -> list[Waiting]:
        """Count the deliveries that wait, by what they wait for, the most first."""
        return [
            Waiting(row.endpoint, row.waits_for, int(row.deliveries), _time(row.oldest))
            for row in self._ledger.rows("page/waiting")
        ]

    def moved(self, endpoint: str, state: State, since: dt.datetime) -> tuple[int, int]:
        """Count what reached a state at an endpoint since a time, and its bytes."""
        (row,) = self._ledger.rows(
            "page/moved", endpoint=endpoint, state=str(state), since_at=since
        )
        return int(row.units), int(row.size_bytes)

    def last_moved(self, endpoint: str, state: State) -> dt.datetime | None:
        """Tell when something last reached a state at an endpoint."""
        (row,) = self._ledger.rows("page/last_moved", endpoint=endpoint, state=str(state))
        return _time(row.moved)

    def last_scrub(self, endpoint: str) -> dt.datetime | None:
        """Tell when reading again last ended at an endpoint."""
        (row,) = self._ledger.rows("page/last_scrub", endpoint=endpoint)
        return _time(row.ended)

    def last_compared(self, endpoint: str) -> dt.datetime | None:
        """Tell when a night was last compared at an endpoint."""
        (row,) = self._ledger.rows("page/last_compared", endpoint=endpoint)
        return _time(row.compared)

    def copies(self) -> dict[int, int]:
        """Count raw units by how many good copies they have."""
        return {int(row.copies): int(row.units) for row in self._ledger.rows("page/copies")}

    def expiries(self, now: dt.datetime) -> Expiries:
        """Sum what may go, and has gone, from places."""
        rows = [
            {
                "endpoint": row.endpoint,
                "state": row.state,
                "items": int(row.items),
                "bytes": int(row.size_bytes),
                "last_at": to_time(row.last).isoformat(timespec="milliseconds"),
            }
            for row in self._ledger.rows("page/expiries")
        ]
        (pins,) = self._ledger.rows("page/pins", at=now)
        return Expiries(tuple(rows), int(pins.pins))


def _time(value: Any) -> dt.datetime | None:
    return None if value is None else to_time(value)
