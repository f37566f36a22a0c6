"""Waking the annex's DAG: objects were announced that wait to be copied."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

from dbb.hooks.lfa import SqlLfaObjects
from dbb.settings import Settings
from dbb.triggers.asking import in_thread
from dbb.triggers.waking import NewestTrigger


@cache
def _objects() -> SqlLfaObjects:
    from dbb.wiring.annex import open_objects  # noqa: PLC0415 - in the thread: it takes a second

    return open_objects(Settings.load())


async def ask_newest() -> dt.datetime | None:
    """Say when the last of the waiting objects was announced."""
    return await in_thread("annex", lambda: _objects().newest())


class AnnexTrigger(NewestTrigger):
    """Fire when an object was announced later than all before."""

    def __init__(self, *, poll_s: float = 3.0, saved: int = 20, rest_s: float = 600.0) -> None:
        super().__init__(poll_s=poll_s, saved=saved, rest_s=rest_s)

    async def look(self) -> tuple[dt.datetime | None, dict[str, Any]]:
        """Give when the last of the waiting objects was announced."""
        newest = await ask_newest()
        return newest, {"announced_at": newest and newest.isoformat()}
