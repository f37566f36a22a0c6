"""Waking tonight's DAG: an exposure has come to rest, or a copy has come to an endpoint."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator

from airflow.triggers.base import TriggerEvent

from dbb.errors import Transient
from dbb.flows.news import find_news
from dbb.triggers.asking import ask
from dbb.triggers.pace import Pace
from dbb.triggers.waking import PacedTrigger

log = logging.getLogger(__name__)

LOOKING_SHARE = 0.1
"""Largest share of the time that is spent on looking, however full the source is."""


class ArrivalTrigger(PacedTrigger):
    """Fire when the source or the receivers have something new; it is still published within a minute.

    It remembers in memory what it has seen.
    """

    def __init__(self, *, poll_s: float = 3.0, saved: int = 20, rest_s: float = 45.0) -> None:
        super().__init__(poll_s=poll_s, saved=saved, rest_s=rest_s)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; yield one event for each look that finds something new."""
        known: frozenset[str] = frozenset()
        pace = Pace(saved=self.saved, rest_s=self.rest_s)
        while True:
            started, rest_s = time.monotonic(), 0.0
            try:
                found = await ask("arrivals", find_news)
            except Transient as error:
                log.warning("action=look-for-news reason=%s", error)
                found = known
            fresh, known = found - known, found
            if fresh:
                log.info("action=wake-up fresh=%d first=%s", len(fresh), min(fresh))
                rest_s = pace.call()
                yield TriggerEvent({"fresh": len(fresh)})  # type: ignore[no-untyped-call]
            spent = time.monotonic() - started
            await asyncio.sleep(max(self.poll_s, rest_s, spent * (1 / LOOKING_SHARE - 1)))
