"""Waking the calibration flow when a group is complete, and telling of a step that is late."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from dbb.errors import Transient
from dbb.flows.calibration_budget import read_budget
from dbb.flows.calibration_groups import find_work
from dbb.model.calibration import AttemptState
from dbb.model.day_obs import DayObs
from dbb.triggers.asking import ask

if TYPE_CHECKING:
    from dbb.flows.backbone import Backbone

log = logging.getLogger(__name__)


class GroupTrigger(BaseEventTrigger):
    """Fire when a group of tonight or the night before has become complete.

    Parameters
    ----------
    instrument, campaign
        Whose groups, and for which campaign.
    poll_s
        Seconds between two questions to the ledger.
    """

    def __init__(self, *, instrument: str, campaign: str, poll_s: float = 3.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.instrument = instrument
        self.campaign = campaign
        self.poll_s = poll_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the path and arguments from which Airflow makes it anew."""
        return "dbb.triggers.calibrations.GroupTrigger", {
            "instrument": self.instrument,
            "campaign": self.campaign,
            "poll_s": self.poll_s,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; yield one event for each look that finds a new group."""
        known: set[str] = set()
        while True:
            try:
                found = await ask(self._find)
            except Transient as error:
                log.warning("action=look-for-groups reason=%s", error)
                found = known
            fresh, known = found - known, found
            if fresh:
                log.info("action=wake-up groups=%d first=%s", len(fresh), min(fresh))
                yield TriggerEvent({"groups": len(fresh)})  # type: ignore[no-untyped-call]
            await asyncio.sleep(self.poll_s)

    def _find(self, backbone: Backbone) -> set[str]:
        now = backbone.clock.now()
        nights = {DayObs.at(now - dt.timedelta(days=days)).value for days in (0, 1)}
        return {
            name
            for night in nights
            for name in find_work(backbone, self.instrument, night, self.campaign)
        }


async def tell_of_late_step(context: dict[str, Any] | None = None, **_: Any) -> None:
    """Name the step that each running attempt is in, before the limit is reached."""
    run = (context or {}).get("dag_run", {})
    for line in await ask(late_steps):
        log.error("action=deadline dag_run=%s %s", run.get("dag_run_id", ""), line)


def late_steps(backbone: Backbone) -> list[str]:
    """Describe the attempts that are under way: which step, and for how long."""
    lines = []
    for attempt in backbone.calibrations.attempts():
        if attempt.state not in (AttemptState.BEGUN, AttemptState.FILED):
            continue
        budget = read_budget(backbone, attempt.unit)
        running = [share for share in budget.shares if share.is_running]
        lines += [
            f"unit={attempt.unit} step={share.step} seconds={share.seconds:.0f} "
            f"budget_s={share.budget_s} total_s={budget.total_s:.0f}"
            for share in running
        ]
    return lines
