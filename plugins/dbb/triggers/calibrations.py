"""Waking the calibration flow when a group is complete."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from dbb.errors import Transient
from dbb.flows.calibration_groups import find_work
from dbb.model.day_obs import DayObs
from dbb.triggers.asking import ask

if TYPE_CHECKING:
    from dbb.flows.backbone import Backbone

log = logging.getLogger(__name__)


class GroupTrigger(BaseEventTrigger):
    """Fire when a group of tonight or the night before has become complete.

    Parameters
    ----------
    instruments, campaign
        Whose groups, and for which campaign.
    poll_s
        Seconds between two questions to the ledger.
    """

    def __init__(self, *, instruments: Sequence[str], campaign: str, poll_s: float = 3.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.instruments = list(instruments)
        self.campaign = campaign
        self.poll_s = poll_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the path and arguments from which Airflow makes it anew."""
        return "dbb.triggers.calibrations.GroupTrigger", {
            "instruments": self.instruments,
            "campaign": self.campaign,
            "poll_s": self.poll_s,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; yield one event for each look that finds a new group."""
        known: set[str] = set()
        while True:
            try:
                found = await ask("calibrations", self._find)
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
            for instrument in self.instruments
            for night in nights
            for name in find_work(backbone, instrument, night, self.campaign)
        }
