"""Asking the flows from within the triggerer, whose event loop must never wait.

All triggers of a process share one thread and one set of open ports: a night of three hundred
waiting chunks takes one connection to the ledger, not three hundred.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from dbb.settings import Settings

if TYPE_CHECKING:
    from dbb.flows.backbone import Backbone

T = TypeVar("T")


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="dbb-triggers")


@cache
def _backbone() -> Backbone:
    from dbb.wiring.backbone import open_backbone  # noqa: PLC0415 - in the thread: it takes a second

    return open_backbone(Settings.load(), actor="triggerer")


async def ask(question: Callable[[Backbone], T]) -> T:
    """Answer a question about the backbone in the triggers' own thread.

    Raises
    ------
    Transient
        If a service does not answer; ask again later.
    """
    return await in_thread(lambda: question(_backbone()))


async def in_thread(question: Callable[[], T]) -> T:
    """Answer a question in the triggers' own thread."""
    return await asyncio.get_running_loop().run_in_executor(_thread(), question)
