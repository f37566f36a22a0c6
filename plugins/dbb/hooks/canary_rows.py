"""What the ledger's database knows of canaries: how far each came, when, and what is left of it."""

from __future__ import annotations

from typing import Any

from dbb.flows.canary import Canary
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import to_time


class SqlCanaries(LedgerHook):
    """Remember canaries."""

    def begin(self) -> Canary:
        """Record a new one."""
        self._ledger.write("canary/begin", actor=self._ledger.actor, at=self._ledger.now())
        return self.newest(1)[0]

    def newest(self, most: int) -> list[Canary]:
        """Read the newest, the last first."""
        return [_canary(row) for row in self._ledger.rows("canary/newest", most=most)]

    def left(self) -> list[Canary]:
        """Read those of which something may be left."""
        return [_canary(row) for row in self._ledger.rows("canary/left")]

    def reach(self, number: int, stage: str) -> None:
        """Record that one has reached a stage; again is nothing."""
        self._ledger.write("canary/reach", number=number, stage=stage, at=self._ledger.now())

    def end(self, number: int, outcome: str, stuck_at: str = "", reason: str = "") -> None:
        """Record how one ended; again is nothing."""
        self._ledger.write(
            "canary/end", number=number, outcome=outcome, stuck_place=stuck_at,
            reason=reason[:500], at=self._ledger.now(),
        )  # fmt: skip

    def removed(self, number: int) -> None:
        """Record that nothing of one is left."""
        self._ledger.write("canary/removed", number=number, at=self._ledger.now())

    def stages(self, canary: Canary) -> dict[str, float]:
        """Give the seconds from one's begin to each stage, in the order in which they were reached."""
        rows = self._ledger.rows("canary/stages", number=canary.number)
        return {
            row.stage: (to_time(row.reached_at) - canary.begun_at).total_seconds() for row in rows
        }


def _canary(row: Any) -> Canary:
    return Canary(
        int(row.number), to_time(row.begun_at), row.ended_at and to_time(row.ended_at),
        row.outcome, row.stuck_at, row.reason, row.removed_at and to_time(row.removed_at),
    )  # fmt: skip
