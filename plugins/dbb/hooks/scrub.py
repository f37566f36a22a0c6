"""Readings of copies, in the ledger's database."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from dbb.flows.scrubbing import Run
from dbb.hooks.ledger import SqlLedger, to_unit
from dbb.hooks.sql import statement, to_time
from dbb.model.scrub import Age
from dbb.ports import Clock, UnitRow


class SqlReadings:
    """Remember when copies were read.

    Parameters
    ----------
    ledger
        The database.
    clock
        Where times come from.
    """

    def __init__(self, ledger: SqlLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def ages(self, endpoint: str) -> list[Age]:
        """Sum the published copies of an endpoint by the day of their last reading, oldest first."""
        return [
            Age(to_time(row.oldest_at), int(row.copies), int(row.size_bytes))
            for row in self._ledger.rows("scrub/ages", endpoint=endpoint)
        ]

    def oldest(self, endpoint: str, before: dt.datetime, most: int) -> list[UnitRow]:
        """Read the published copies whose last reading is oldest, and before a time."""
        rows = self._ledger.rows("scrub/oldest", endpoint=endpoint, before_at=before, most=most)
        return [to_unit(row) for row in rows]

    def note_read(self, units: Sequence[str], endpoint: str) -> None:
        """Record that published copies were read again and are right."""
        now = self._clock.now()
        with self._ledger.transaction() as connection:
            connection.execute(
                statement("scrub/note_read"),
                [{"unit": unit, "endpoint": endpoint, "at": now} for unit in units],
            )

    def in_work(self, endpoint: str, since: dt.datetime) -> int:
        """Count the deliveries on their way to publication that moved since a time."""
        (row,) = self._ledger.rows("scrub/in_work", endpoint=endpoint, since_at=since)
        return int(row.deliveries)

    def note_run(self, endpoint: str, started_at: dt.datetime, run: Run) -> None:
        """Record what a run read."""
        with self._ledger.transaction() as connection:
            connection.execute(
                statement("scrub/note_run"),
                {
                    **dataclasses.asdict(run),
                    "endpoint": endpoint,
                    "started_at": started_at,
                    "ended_at": self._clock.now(),
                    "actor": self._ledger.actor,
                },
            )

    def runs(self, endpoint: str, since: dt.datetime) -> tuple[int, int, int, int]:
        """Count runs, and sum their copies, bytes and damaged copies, since a time."""
        (row,) = self._ledger.rows("scrub/runs", endpoint=endpoint, since_at=since)
        return int(row.runs), int(row.copies), int(row.size_bytes), int(row.damaged)
