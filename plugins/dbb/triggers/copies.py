"""Waiting until the copies of a chunk are published at the endpoints that want them."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from dbb.errors import Transient
from dbb.flows.copies import count_copies
from dbb.triggers.asking import ask

log = logging.getLogger(__name__)


class CopiesTrigger(BaseTrigger):
    """Fire when every copy of a chunk is published, or when patience is over.

    Parameters
    ----------
    units
        Names of the chunk's units.
    until
        End of patience, as ISO text with a zone: a triggerer that restarts does not begin anew.
    poll_s
        Seconds between two questions to the ledger.
    """

    def __init__(self, *, units: Sequence[str], until: str, poll_s: float = 3.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.units = list(units)
        self.until = until
        self.poll_s = poll_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the path and arguments from which Airflow makes it anew."""
        return "dbb.triggers.copies.CopiesTrigger", {
            "units": self.units,
            "until": self.until,
            "poll_s": self.poll_s,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask until all are published or the time is over; yield the counts."""
        until = dt.datetime.fromisoformat(self.until)
        while True:
            counts: dict[str, int] | None = None
            try:
                counts = await ask("copies", lambda backbone: count_copies(backbone, self.units))
                if not counts["waiting"]:
                    yield TriggerEvent(counts)  # type: ignore[no-untyped-call]
                    return
            except Transient as error:
                log.warning("action=wait-for-copies reason=%s", error)
            if dt.datetime.now(dt.UTC) >= until:
                yield TriggerEvent(counts or {})  # type: ignore[no-untyped-call]
                return
            await asyncio.sleep(self.poll_s)
