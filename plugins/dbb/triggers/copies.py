"""Waiting for Rucio to bring the copies of a chunk to an endpoint."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from dbb.errors import Transient
from dbb.flows.registration import ask_rules, count_rules
from dbb.ports import RuleState
from dbb.triggers.asking import ask

log = logging.getLogger(__name__)


class CopiesTrigger(BaseTrigger):
    """Fire when every copy of a chunk has come, or when patience is over.

    Parameters
    ----------
    units
        Names of the chunk's units.
    endpoint
        Where the copies shall come.
    until
        End of patience, as ISO text with a zone: a triggerer that restarts does not begin anew.
    poll_s
        Seconds between two questions to Rucio.
    """

    def __init__(
        self, *, units: Sequence[str], endpoint: str, until: str, poll_s: float = 3.0
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.units = list(units)
        self.endpoint = endpoint
        self.until = until
        self.poll_s = poll_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the path and arguments from which Airflow makes it anew."""
        return "dbb.triggers.copies.CopiesTrigger", {
            "units": self.units,
            "endpoint": self.endpoint,
            "until": self.until,
            "poll_s": self.poll_s,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask until all are there or the time is over; yield the number of rules by state."""
        until = dt.datetime.fromisoformat(self.until)
        while True:
            counts: dict[str, int] | None = None
            try:
                found = await ask(lambda backbone: ask_rules(backbone, self.units, self.endpoint))
                counts = count_rules(found)
                if all(status.state is RuleState.OK for status in found.values()):
                    yield TriggerEvent(counts)  # type: ignore[no-untyped-call]
                    return
            except Transient as error:
                log.warning("action=wait-for-copies endpoint=%s reason=%s", self.endpoint, error)
            if dt.datetime.now(dt.UTC) >= until:
                yield TriggerEvent(counts or {})  # type: ignore[no-untyped-call]
                return
            await asyncio.sleep(self.poll_s)
