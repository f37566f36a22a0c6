"""How long the last nights took to become public, against the 24 hours; and the calibration budget while it runs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from dbb.flows.backbone import Backbone
from dbb.flows.calibration_budget import Budget, read_budget
from dbb.flows.lag import L1_PUBLIC_T, lags_of_nights
from dbb.model.calibration import BACKBONE_SHARE_S, CAL_PROC_TIME_S, Attempt
from dbb.model.day_obs import DayObs
from dbb.model.night_units import NightLags

SCHEMA = "dbb-lag/1"
L1_PUBLIC_T_S = int(L1_PUBLIC_T.total_seconds())
NIGHTS = 7


@dataclass(frozen=True)
class LagReport:
    """Hold the lags of the last nights, the newest first, and the calibrations under way."""

    as_of: dt.datetime
    nights: tuple[NightLags, ...]
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
            "nights": [each.to_json(self.as_of) for each in self.nights],
            "calibrations": [_budget_json(*each) for each in self.calibrations],
        }


def lag_report(backbone: Backbone, last: DayObs | None = None, number: int = NIGHTS) -> LagReport:
    """Read the lags of nights from the ledger alone.

    Parameters
    ----------
    backbone
        The ports.
    last
        The last night; tonight if left out.
    number
        How many.
    """
    now = backbone.clock.now()
    last = last or DayObs.at(now)
    first = DayObs.parse((last.date - dt.timedelta(days=number - 1)).isoformat())
    nights = tuple(lags_of_nights(backbone, first, last))
    return LagReport(now, nights, tuple(_calibrations(backbone, first)))


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
