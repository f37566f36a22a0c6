"""Waking tonight's DAG: an exposure has come to rest, or a copy has come to an endpoint."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from dbb.errors import Transient
from dbb.flows.news import find_news
from dbb.triggers.asking import ask

log = logging.getLogger(__name__)

LOOKING_SHARE = 0.1
"""Largest share of the time that is spent on looking, however full the source is."""


class ArrivalTrigger(BaseEventTrigger):
    """Fire whenever the source or the receivers have something new.

    It is a wake-up call only. It remembers what it has seen in memory: after a restart it fires
    once more than needed, and a call that is lost is made good by the clock's sweep.

    Parameters
    ----------
    poll_s
        Seconds between two looks.
    """

    def __init__(self, *, poll_s: float = 3.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_s = poll_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the path and arguments from which Airflow makes it anew."""
        return "dbb.triggers.arrivals.ArrivalTrigger", {"poll_s": self.poll_s}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; yield one event for each look that finds something new."""
        known: frozenset[str] = frozenset()
        while True:
            started = time.monotonic()
            try:
                found = await ask(find_news)
            except Transient as error:
                log.warning("action=look-for-news reason=%s", error)
                found = known
            fresh, known = found - known, found
            if fresh:
                log.info("action=wake-up fresh=%d first=%s", len(fresh), min(fresh))
                yield TriggerEvent({"fresh": len(fresh)})  # type: ignore[no-untyped-call]
            spent = time.monotonic() - started
            await asyncio.sleep(max(self.poll_s, spent * (1 / LOOKING_SHARE - 1)))
