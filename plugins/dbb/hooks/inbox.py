"""The inbox in the ledger's database."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from dbb.hooks.ledger_database import batches
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import statement, to_time
from dbb.model.event import Event, EventState


class SqlInbox(LedgerHook):
    """Keep events beside the ledger."""

    def store(self, events: Sequence[Event]) -> int:
        """Keep events in one transaction; give the number of those that are new."""
        now = self._ledger.now()
        rows = [
            dataclasses.asdict(event) | {"received_at": now, "state": str(event.state)}
            for event in sorted(events, key=lambda event: event.event_id)  # no deadlock
        ]
        with self._ledger.transaction() as connection:
            store = statement("inbox/store")
            return sum(connection.execute(store, row).rowcount for row in rows)

    def fresh(self, rse: str, most: int) -> list[Event]:
        """Read the events of an RSE that nobody has dealt with, oldest first."""
        return [_event(row) for row in self._ledger.rows("inbox/fresh", rse=rse, most=most)]

    def newest(self, rse: str) -> tuple[int, dt.datetime | None]:
        """Say how many events of an RSE nobody has dealt with, and when the last one came."""
        (row,) = self._ledger.rows("inbox/newest", rse=rse)
        return row.number, None if row.newest is None else to_time(row.newest)

    def settle(self, event_ids: Sequence[str]) -> None:
        """Say that events are dealt with."""
        self._change("inbox/settle", event_ids)

    def replay(self, event_ids: Sequence[str]) -> int:
        """Have events looked at again; give their number."""
        return self._change("inbox/replay", event_ids)

    def prune(self, before: dt.datetime) -> int:
        """Forget events that were dealt with before a time; give their number."""
        return self._ledger.write("inbox/prune", before_at=before)

    def find(self, state: str, rse: str, most: int) -> list[Event]:
        """List events, newest first; an empty ``state`` or ``rse`` is any."""
        rows = self._ledger.rows("inbox/find", state=state, rse=rse, most=most)
        return [_event(row) for row in rows]

    def _change(self, name: str, event_ids: Sequence[str]) -> int:
        changed = 0
        with self._ledger.transaction() as connection:
            for some in batches(event_ids, 500):
                changed += connection.execute(statement(name), {"event_ids": some}).rowcount
        return changed


def _event(row: Row[Any]) -> Event:
    return Event(
        event_id=row.event_id,
        source=row.source,
        event_type=row.event_type,
        rse=row.rse,
        scope=row.scope,
        name=row.name,
        unit=row.unit,
        state=EventState(row.state),
        code=row.code,
        reason=row.reason,
        payload=row.payload,
        received_at=to_time(row.received_at),
    )
