"""Waking the DAG of an endpoint: events have come that tell of copies there."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from dbb.errors import Transient
from dbb.triggers.asking import ask

log = logging.getLogger(__name__)


class InboxTrigger(BaseEventTrigger):
    """Fire whenever the inbox has a newer event of an RSE.

    It is a wake-up call only: after a restart it fires once more than needed, and a call that is
    lost is made good by the clock's sweep.

    Parameters
    ----------
    rse
        The Rucio storage element.
    poll_s
        Seconds between two looks.
    """

    def __init__(self, *, rse: str, poll_s: float = 3.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rse = rse
        self.poll_s = poll_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the path and arguments from which Airflow makes it anew."""
        return "dbb.triggers.inbox.InboxTrigger", {"rse": self.rse, "poll_s": self.poll_s}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; yield one event for each look that finds something newer."""
        seen: dt.datetime | None = None
        while True:
            try:
                number, newest = await ask(lambda backbone: backbone.inbox.newest(self.rse))
            except Transient as error:
                log.warning("action=look-into-inbox rse=%s reason=%s", self.rse, error)
            else:
                if newest is not None and (seen is None or newest > seen):
                    seen = newest
                    log.info("action=wake-up rse=%s events=%d", self.rse, number)
                    yield TriggerEvent({"events": number})  # type: ignore[no-untyped-call]
            await asyncio.sleep(self.poll_s)
