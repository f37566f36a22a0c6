"""What the ledger's database counts, for dashboards."""

from __future__ import annotations

from dbb.flows.metrics import Count, Waiting
from dbb.hooks.alarms import SqlAlarms
from dbb.hooks.ledger_hook import LedgerHook


class SqlMetrics(LedgerHook):
    """Count in the ledger's database."""

    def deliveries(self) -> list[Count]:
        """Count by endpoint and state."""
        return [
            Count(row.endpoint, row.state, int(row.units), int(row.size_bytes))
            for row in self._ledger.rows("metrics/deliveries")
        ]

    def held(self) -> dict[str, int]:
        """Count what waits for a decision, by code."""
        return {row.code: int(row.refusals) for row in self._ledger.rows("metrics/held")}

    def waiting(self, source: str) -> list[Waiting]:
        """By endpoint, what it does not serve yet."""
        return [
            Waiting(each.endpoint, each.units, each.since_at)
            for each in SqlAlarms(self._ledger).late(source, self._ledger.now())
        ]
