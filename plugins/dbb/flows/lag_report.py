"""How long the last nights took to become public, against the 24 hours; and the calibration budget while it runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from dbb.flows.backbone import Backbone
from dbb.flows.calibration_budget import Budget, read_budget
from dbb.flows.lag import quantile
from dbb.model.calibration import BACKBONE_SHARE_S, CAL_PROC_TIME_S, Attempt
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State

SCHEMA = "dbb-lag/1"
L1_PUBLIC_T_S = 24 * 3600  # L1PublicT, within which products of a night are public
NIGHTS = 7


class Arrival(NamedTuple):
    """Hold when a unit was whole at the source, and how far it is at an endpoint since when."""

    day_obs: int
    endpoint: str
    whole_at: dt.datetime
    since_at: dt.datetime
    state: str


class LagRows(Protocol):
    """Ask the ledger for arrivals."""

    def arrivals(self, first: int, last: int, endpoints: Sequence[str]) -> list[Arrival]:
        """Read when the units of nights were whole at the source, and how far they are elsewhere."""


@dataclass(frozen=True, slots=True)
class NightLag:
    """Hold a night's lags at an endpoint, in seconds.

    Parameters
    ----------
    published, open
        Units that are published there, and that are to be.
    p50_s, p95_s, max_s
        Of the published ones; None where there are none.
    longest_open_s
        How long the open one that waits longest has waited.
    late
        Units that took longer than the limit, or have waited longer.
    """

    day_obs: int
    endpoint: str
    published: int
    open: int
    p50_s: float | None
    p95_s: float | None
    max_s: float | None
    longest_open_s: float | None
    late: int

    def to_json(self) -> dict[str, Any]:
        """Give the fields as they stand in a document."""
        names = ("day_obs", "endpoint", "published", "open", "p50_s", "p95_s", "max_s",
                 "longest_open_s", "late")  # fmt: skip
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class LagReport:
    """Hold the lags of the last nights, the newest first, and the calibrations under way."""

    as_of: dt.datetime
    nights: tuple[NightLag, ...]
    calibrations: tuple[tuple[Attempt, Budget], ...]

    @property
    def sentence(self) -> str:
        """Say whether the limits are kept."""
        late = sum(each.late for each in self.nights)
        over = sum(not budget.is_kept for _, budget in self.calibrations)
        if late or over:
            return f"ACT — {late:,} late beyond 24 h, {over:,} calibrations over their 1,200 s."
        if not self.nights:
            return "EMPTY — no exposure of these nights is on its way."
        slowest = max(each.max_s or 0.0 for each in self.nights)
        return f"SAFE — nothing took or waits longer than 24 h; the slowest took {slowest:,.0f} s."

    def to_json(self) -> dict[str, Any]:
        """Give everything as a document of schema ``dbb-lag/1``."""
        return {
            "schema": SCHEMA,
            "as_of": self.as_of.isoformat(timespec="milliseconds"),
            "sentence": self.sentence,
            "limit_s": L1_PUBLIC_T_S,
            "nights": [each.to_json() for each in self.nights],
            "calibrations": [_budget_json(*each) for each in self.calibrations],
        }


def lag_report(
    backbone: Backbone, rows: LagRows, last: DayObs | None = None, number: int = NIGHTS
) -> LagReport:
    """Read the lags of nights from the ledger alone.

    Parameters
    ----------
    backbone, rows
        The ports.
    last
        The last night; tonight if left out.
    number
        How many.
    """
    now = backbone.clock.now()
    last = last or DayObs.at(now)
    first = DayObs.parse((last.date - dt.timedelta(days=number - 1)).isoformat())
    grouped: dict[tuple[int, str], list[Arrival]] = {}
    for arrival in rows.arrivals(first.value, last.value, backbone.policy.publishers):
        grouped.setdefault(arrival[:2], []).append(arrival)
    places = {name: place for place, name in enumerate(backbone.policy.publishers)}
    nights = tuple(
        _night_lag(*key, grouped[key], now)
        for key in sorted(grouped, key=lambda key: (-key[0], places[key[1]]))
    )
    return LagReport(now, nights, tuple(_calibrations(backbone, first)))


def _night_lag(
    day_obs: int, endpoint: str, arrivals: Sequence[Arrival], now: dt.datetime
) -> NightLag:
    took = sorted(
        round((each.since_at - each.whole_at).total_seconds(), 3)
        for each in arrivals
        if each.state == State.PUBLISHED
    )
    waits = [
        round((now - each.whole_at).total_seconds(), 3)
        for each in arrivals
        if each.state not in (State.PUBLISHED, State.RELEASED)
    ]
    return NightLag(
        day_obs, endpoint, len(took), len(waits),
        quantile(took, 0.50) if took else None, quantile(took, 0.95) if took else None,
        took[-1] if took else None, max(waits, default=None),
        sum(lag > L1_PUBLIC_T_S for lag in (*took, *waits)),
    )  # fmt: skip


def _calibrations(backbone: Backbone, first: DayObs) -> list[tuple[Attempt, Budget]]:
    """Read the budgets of the attempts that are under way, without settling anything."""
    return [
        (attempt, read_budget(backbone, attempt.unit))
        for group in backbone.calibrations.open_groups(first.value)
        for attempt in backbone.calibrations.attempts(group.name)
        if attempt.state in ("begun", "filed")
    ]


def _budget_json(attempt: Attempt, budget: Budget) -> dict[str, Any]:
    return {
        "unit": attempt.unit,
        "state": str(attempt.state),
        "total_s": round(budget.total_s, 3),
        "budget_s": CAL_PROC_TIME_S,
        "left_s": round(CAL_PROC_TIME_S - budget.total_s, 3),
        "backbone_s": round(budget.backbone_s, 3),
        "backbone_budget_s": BACKBONE_SHARE_S,
        "kept": budget.is_kept,
        "steps": [
            {
                "step": str(share.step),
                "seconds": round(share.seconds, 3),
                "budget_s": share.budget_s,
                "is_running": share.is_running,
                "is_late": share.is_late,
            }
            for share in budget.shares
        ],
    }
