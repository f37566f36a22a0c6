"""Waking the DAG of an endpoint: events have come that tell of copies there."""

from __future__ import annotations

import datetime as dt
from typing import Any

from dbb.triggers.asking import ask
from dbb.triggers.waking import NewestTrigger


class InboxTrigger(NewestTrigger):
    """Fire when the inbox has a newer event of an RSE.

    Parameters
    ----------
    rse
        The Rucio storage element.
    poll_s, saved, rest_s
        As of every trigger that wakes.
    """

    def __init__(
        self, *, rse: str, poll_s: float = 3.0, saved: int = 20, rest_s: float = 60.0
    ) -> None:
        super().__init__(poll_s=poll_s, saved=saved, rest_s=rest_s)
        self.rse = rse

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the path and arguments from which Airflow makes it anew."""
        path, arguments = super().serialize()
        return path, {"rse": self.rse, **arguments}

    async def look(self) -> tuple[dt.datetime | None, dict[str, Any]]:
        """Give when the last event came that nobody has dealt with, and how many there are."""
        number, newest = await ask("inbox", lambda backbone: backbone.inbox.newest(self.rse))
        return newest, {"events": number}
