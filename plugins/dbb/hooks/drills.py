"""Drills in the ledger's database."""

from __future__ import annotations

import json

from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import to_time
from dbb.model.drill import Drill, DrillKind

NAMES_KEPT = 100
"""Of what went wrong, so many names are kept; the number is kept of all."""


class SqlDrills(LedgerHook):
    """Remember drills."""

    def note(self, drill: Drill) -> None:
        """Record the outcome of a drill."""
        self._ledger.write(
            "drill/note",
            kind=str(drill.kind),
            subject=drill.subject,
            started_at=drill.started_at,
            ended_at=drill.ended_at,
            units=drill.units,
            files=drill.files,
            size_bytes=drill.size_bytes,
            seconds=drill.seconds,
            result="passed" if drill.is_passed else "failed",
            wrong=len(drill.wrong),
            detail=json.dumps(list(drill.wrong[:NAMES_KEPT])),
            actor=drill.actor or self._ledger.actor,
        )

    def newest(self, kind: DrillKind | None = None, most: int = 20) -> list[Drill]:
        """Read the newest drills, of one kind or of all."""
        rows = self._ledger.rows("drill/find", kind=str(kind or ""), most=most)
        return [
            Drill(
                kind=DrillKind(row.kind),
                subject=row.subject,
                started_at=to_time(row.started_at),
                ended_at=to_time(row.ended_at),
                units=row.units,
                files=row.files,
                size_bytes=row.size_bytes,
                seconds=row.seconds,
                wrong=_names(json.loads(row.detail), row.wrong),
                actor=row.actor,
            )
            for row in rows
        ]


def _names(kept: list[str], number: int) -> tuple[str, ...]:
    """Give as many names as there were; those not kept are empty."""
    return tuple(kept) + ("",) * (number - len(kept))
