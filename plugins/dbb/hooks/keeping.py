"""What the ledger's database knows of keeping: readings, buffers, broken copies, losses."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from dbb.flows.scrubbing import Run
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.ledger_rows import to_delivery, to_unit
from dbb.hooks.sql import to_time
from dbb.model.delivery import Delivery
from dbb.model.loss import LossAccount
from dbb.model.scrub import Age
from dbb.ports.ledger import UnitRow


class SqlKeeping(LedgerHook):
    """Answer what the flows ask that keep: scrubbing, buffers, repairing; and the account of losses."""

    # -- readings ------------------------------------------------------------------------------

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
        self._ledger.note_read(units, endpoint)

    def waiting(self, endpoint: str, source: str, after: dt.timedelta) -> list[UnitRow]:
        """Read the copies that the source waits for: published, and not read again so long after."""
        before = self._ledger.now() - after
        rows = self._ledger.rows(
            "scrub/waiting", endpoint=endpoint, source=source, before_at=before
        )
        return [
            to_unit(row)
            for row in rows
            if row.read_again_at is None
            or to_time(row.read_again_at) < to_time(row.since_at) + after
        ]

    def in_work(self, endpoint: str, since: dt.datetime) -> int:
        """Count the deliveries on their way to publication that moved since a time."""
        (row,) = self._ledger.rows("scrub/in_work", endpoint=endpoint, since_at=since)
        return int(row.deliveries)

    def note_run(self, endpoint: str, started_at: dt.datetime, run: Run) -> None:
        """Record what a run read."""
        self._ledger.write(
            "scrub/note_run",
            **dataclasses.asdict(run),
            endpoint=endpoint,
            started_at=started_at,
            ended_at=self._ledger.now(),
            actor=self._ledger.actor,
        )

    def runs(self, endpoint: str, since: dt.datetime) -> tuple[int, int, int, int]:
        """Count runs, and sum their copies, bytes and damaged copies, since a time."""
        (row,) = self._ledger.rows("scrub/runs", endpoint=endpoint, since_at=since)
        return int(row.runs), int(row.copies), int(row.size_bytes), int(row.damaged)

    # -- buffers -------------------------------------------------------------------------------

    def busiest_day(self, endpoint: str, since: dt.datetime) -> int:
        """Give the bytes that arrived at an endpoint on its busiest day since a time."""
        rows = self._ledger.rows("buffer/arrivals", endpoint=endpoint, since_at=since)
        return max((int(row.size_bytes) for row in rows), default=0)

    def held(self, endpoint: str) -> list[str]:
        """Name the units whose files an endpoint holds, verified."""
        return [row.unit for row in self._ledger.rows("buffer/held", endpoint=endpoint)]

    # -- broken copies and losses --------------------------------------------------------------

    def broken(self, endpoint: str, before: dt.datetime) -> list[Delivery]:
        """Read the deliveries without a good copy, and those half way since before a time."""
        rows = self._ledger.rows("repair/broken", endpoint=endpoint, before_at=before)
        return [to_delivery(row) for row in rows]

    def account(self, source: str, period: dt.timedelta) -> LossAccount:
        """Sum up raw images; a reading counts for a period, what waits at the source is not missing."""
        since = self._ledger.now() - period
        (row,) = self._ledger.rows("loss/raw_images", source=source, read_at=since)
        return LossAccount(
            images=int(row.images),
            lost=int(row.lost),
            suspected=int(row.suspected),
            read_again=int(row.read_again),
            one_copy=int(row.one_copy),
        )
