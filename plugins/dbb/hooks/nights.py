"""Sums of several nights from the ledger's database."""

from __future__ import annotations

from collections.abc import Sequence

from dbb.flows.nights import Alike
from dbb.hooks.ledger import SqlLedger, to_refusal
from dbb.hooks.sql import to_time
from dbb.model.delivery import State
from dbb.model.quarantine import Refusal


class SqlNights:
    """Ask the ledger about several nights.

    Parameters
    ----------
    ledger
        The database.
    """

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    def newest_night(self, instruments: Sequence[str]) -> int | None:
        """Name the newest night of which there is a unit."""
        (row,) = self._ledger.rows("page/newest_night", instruments=list(instruments))
        return None if row.day_obs is None else int(row.day_obs)

    def alike(
        self, first: int, last: int, instruments: Sequence[str], refused: Sequence[str]
    ) -> list[Alike]:
        """Count the units of nights by how they stand, without those that something was refused of."""
        rows = self._ledger.rows(
            "page/groups",
            first_day=first,
            last_day=last,
            instruments=list(instruments),
            refused=list(refused),
        )
        return [
            Alike(
                day_obs=int(row.day_obs),
                gate=row.gate,
                states=_states(row.states),
                units=int(row.units),
                exposures=int(row.exposures),
                expected=int(row.expected),
                lacks=int(row.lacks),
                unit=row.unit,
                moved_at=None if row.moved is None else to_time(row.moved),
            )
            for row in rows
        ]

    def refusals(self, first: int, last: int) -> list[Refusal]:
        """Read the refusals of nights, whatever was decided."""
        rows = self._ledger.rows("page/refusals", first_day=first, last_day=last)
        return [to_refusal(row) for row in rows]


def _states(text: str) -> tuple[tuple[str, State, bool], ...]:
    """Read ``usdf=published frdf=verified?``."""
    pairs = (each.partition("=") for each in text.split())
    return tuple(
        (endpoint, State(state.rstrip("?")), not state.endswith("?"))
        for endpoint, _, state in pairs
    )
