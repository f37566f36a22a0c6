"""Triggers that wake a DAG, and not too often; those that do when something newer has come than all before."""

from __future__ import annotations

import abc
import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from dbb.errors import Transient
from dbb.triggers.pace import Pace

log = logging.getLogger(__name__)


class PacedTrigger(BaseEventTrigger):
    """Fire when there is news, in a busy night not too often.

    It is a wake-up call only: after a restart it fires once more than needed, and a call that is
    lost is made good by the clock's sweep.

    Parameters
    ----------
    poll_s
        Seconds between two looks.
    saved, rest_s
        How many calls may follow each other, and the seconds from one to the next after that: what
        comes meanwhile is one call.
    """

    def __init__(self, *, poll_s: float, saved: int, rest_s: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_s = poll_s
        self.saved = saved
        self.rest_s = rest_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the path and arguments from which Airflow makes it anew."""
        arguments = {"poll_s": self.poll_s, "saved": self.saved, "rest_s": self.rest_s}
        return f"{type(self).__module__}.{type(self).__name__}", arguments


class NewestTrigger(PacedTrigger):
    """Fire when the newest of something is newer than all before."""

    @abc.abstractmethod
    async def look(self) -> tuple[dt.datetime | None, dict[str, Any]]:
        """Give the time of the newest, and what is told of it."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; yield one event for each look that finds something newer."""
        seen: dt.datetime | None = None
        pace = Pace(saved=self.saved, rest_s=self.rest_s)
        while True:
            rest_s = 0.0
            try:
                newest, told = await self.look()
            except Transient as error:
                log.warning("action=look-for-news trigger=%s reason=%s", self.serialize(), error)
            else:
                if newest is not None and (seen is None or newest > seen):
                    seen, rest_s = newest, pace.call()
                    log.info("action=wake-up trigger=%s told=%s", self.serialize(), told)
                    yield TriggerEvent(told)  # type: ignore[no-untyped-call]
            await asyncio.sleep(max(self.poll_s, rest_s))
