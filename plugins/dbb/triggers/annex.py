"""Waking the annex's DAG: objects were announced that wait to be copied."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from dbb.errors import Transient
from dbb.hooks.lfa import SqlLfaObjects
from dbb.settings import Settings
from dbb.triggers.asking import in_thread

log = logging.getLogger(__name__)


@cache
def _objects() -> SqlLfaObjects:
    from dbb.wiring import open_objects  # noqa: PLC0415 - in the thread: it takes a second

    return open_objects(Settings.load())


async def ask_newest() -> dt.datetime | None:
    """Say when the last of the waiting objects was announced."""
    return await in_thread(lambda: _objects().newest())


class AnnexTrigger(BaseEventTrigger):
    """Fire when an object was announced later than all before, and not too often.

    It is a wake-up call only: after a restart it fires once more than needed, and a call that is
    lost is made good by the clock's sweep.

    Parameters
    ----------
    poll_s
        Seconds between two looks.
    rest_s
        Seconds after a call until the next look: what is announced meanwhile is one call.
    """

    def __init__(self, *, poll_s: float = 3.0, rest_s: float = 15.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_s = poll_s
        self.rest_s = rest_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the path and arguments from which Airflow makes it anew."""
        arguments = {"poll_s": self.poll_s, "rest_s": self.rest_s}
        return "dbb.triggers.annex.AnnexTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; yield one event for each look that finds something newer."""
        seen: dt.datetime | None = None
        while True:
            pause_s = self.poll_s
            try:
                newest = await ask_newest()
            except Transient as error:
                log.warning("action=look-for-announced-objects reason=%s", error)
            else:
                if newest is not None and (seen is None or newest > seen):
                    seen, pause_s = newest, self.rest_s
                    log.info("action=wake-up newest=%s", newest.isoformat())
                    yield TriggerEvent(  # type: ignore[no-untyped-call]
                        {"announced_at": newest.isoformat()}
                    )
            await asyncio.sleep(pause_s)
