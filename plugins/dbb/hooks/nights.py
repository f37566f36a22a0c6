"""Sums of several nights from the ledger's database."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from dbb.flows.night_sums import Alike
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.ledger_rows import to_refusal
from dbb.hooks.night_units import read_states
from dbb.hooks.sql import to_time
from dbb.model.night_units import States
from dbb.model.quarantine import Refusal

MARGIN = dt.timedelta(minutes=10)
"""How long a transaction may take, and how far clocks may be apart: what is as young is looked at again."""

MOST_KEPT = 1000


class SqlNights(LedgerHook):
    """Ask the ledger about several nights."""

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
            refused=list(refused) or [""],
        )
        found: dict[tuple[int, str, States], Alike] = {}
        for row in rows:
            each = Alike(
                day_obs=int(row.day_obs),
                gate=row.gate,
                states=read_states(row.states),
                units=int(row.units),
                exposures=int(row.exposures),
                expected=int(row.expected),
                lacks=int(row.lacks),
                unit=row.unit,
                moved_at=None if row.moved is None else to_time(row.moved),
            )
            key = (each.day_obs, each.gate, each.states)
            found[key] = _merge(found[key], each) if key in found else each
        return list(found.values())

    def touched(self, since: dt.datetime) -> set[int]:
        """Name the nights of which something has moved since a time."""
        return {int(row.day_obs) for row in self._ledger.rows("page/touched", since_at=since)}

    def refusals(self, first: int, last: int) -> list[Refusal]:
        """Read the refusals of nights, whatever was decided."""
        rows = self._ledger.rows("page/refusals", first_day=first, last_day=last)
        return [to_refusal(row) for row in rows]


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    """Hold what was counted of a night, when, and without which units."""

    at: dt.datetime
    refused: frozenset[str]
    groups: tuple[Alike, ...]


class KeptNights(SqlNights):
    """Ask again only about nights of which something has moved since they were counted.

    A night's count changes with a step of a delivery, which is an event, or with a refusal, which is asked for each
    time; nothing else is kept.
    """

    def __init__(self, ledger: SqlLedger) -> None:
        super().__init__(ledger)
        self._kept: dict[int, _Kept] = {}

    def alike(
        self, first: int, last: int, instruments: Sequence[str], refused: Sequence[str]
    ) -> list[Alike]:
        """Count the units of nights, as ``SqlNights`` does."""
        now, kept = self._ledger.now(), self._kept
        days = _days(first, last)
        mine: dict[int, set[str]] = {day: set() for day in days}
        for name in refused:
            day = name.split("/")[1:2]
            if day and day[0].isdecimal() and int(day[0]) in mine:
                mine[int(day[0])].add(name)
        known = [kept[day].at for day in days if day in kept]
        touched = self.touched(min(known) - MARGIN) if known else set()
        stale = [
            day
            for day in days
            if day not in kept or day in touched or kept[day].refused != mine[day]
        ]
        again = {day: dataclasses.replace(kept[day], at=now) for day in days if day not in stale}
        kept = {**kept, **again}
        if stale:
            fresh: dict[int, list[Alike]] = {day: [] for day in _days(stale[0], stale[-1])}
            for each in super().alike(stale[0], stale[-1], instruments, refused):
                fresh[each.day_obs].append(each)
            counted = {
                day: _Kept(now, frozenset(mine[day]), tuple(groups))
                for day, groups in fresh.items()
            }
            kept = {**kept, **counted}
        self._kept = dict(list(kept.items())[-MOST_KEPT:])
        return [each for day in days for each in kept[day].groups]


def _days(first: int, last: int) -> list[int]:
    day, end = (dt.date.fromisoformat(str(value)) for value in (first, last))
    return [
        int(f"{day + dt.timedelta(days=number):%Y%m%d}") for number in range((end - day).days + 1)
    ]


def _merge(one: Alike, other: Alike) -> Alike:
    """Add up units of which the database named the endpoints in another order."""
    times = [each.moved_at for each in (one, other) if each.moved_at is not None]
    return dataclasses.replace(
        one,
        units=one.units + other.units,
        exposures=one.exposures + other.exposures,
        expected=one.expected + other.expected,
        lacks=one.lacks + other.lacks,
        moved_at=max(times, default=None),
    )
