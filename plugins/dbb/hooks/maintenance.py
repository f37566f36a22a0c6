"""What the ledger's database knows of maintenances, and of how fast the backbone was."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from dbb.flows.catching_up import Speed
from dbb.flows.maintenance import Maintenance
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import to_time


class SqlMaintenance(LedgerHook):
    """Remember maintenances."""

    def begin(self, reason: str) -> None:
        """Record a new one, unless one lasts."""
        self._ledger.write(
            "maintenance/begin", at=self._ledger.now(), actor=self._ledger.actor, reason=reason
        )

    def newest(self, most: int) -> list[Maintenance]:
        """Read the newest, the last first."""
        return [self._of(row) for row in self._ledger.rows("maintenance/newest", most=most)]

    def hold(self, number: int, dags: Sequence[str]) -> None:
        """Record what runs again afterwards; again is nothing."""
        held = [{"number": number, "dag_id": dag_id} for dag_id in dags]
        self._ledger.write_all("maintenance/hold_dag", held)

    def end(self, number: int) -> None:
        """Record the end; again is nothing."""
        self._ledger.write(
            "maintenance/end", number=number, at=self._ledger.now(), actor=self._ledger.actor
        )

    def best_hour(self, endpoint: str, since: dt.datetime) -> Speed | None:
        """Give what an endpoint published in its best hour since a time; None where nothing."""
        rows = self._ledger.rows("catchup/hours", endpoint=endpoint, since_at=since)
        speeds = [Speed(int(row.units), int(row.size_bytes)) for row in rows]
        return max(speeds, key=lambda speed: speed.exposures_per_h, default=None)

    def _of(self, row: Any) -> Maintenance:
        dags = self._ledger.rows("maintenance/dags", number=row.number)
        return Maintenance(
            int(row.number), to_time(row.begun_at), row.begun_by, row.reason,
            tuple(each.dag_id for each in dags), row.ended_at and to_time(row.ended_at),
            row.ended_by,
        )  # fmt: skip
