"""Asking the flows from within the triggerer, whose event loop must never wait.

All triggers of a kind share a thread and a set of open ports: a night of three hundred waiting chunks
takes one connection to the ledger, not three hundred. Each kind has its own: a source that lists slowly
keeps nobody waiting but those who look for arrivals.
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
def _thread(kind: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"dbb-{kind}")


@cache
def _backbone(kind: str) -> Backbone:  # noqa: ARG001 - one for each thread
    from dbb.wiring.backbone import open_backbone  # noqa: PLC0415 - in the thread: it takes a second

    return open_backbone(Settings.load(), actor="triggerer")


async def ask(kind: str, question: Callable[[Backbone], T]) -> T:
    """Answer a question about the backbone in the thread of a kind of triggers.

    Raises
    ------
    Transient
        If a service does not answer; ask again later.
    """
    return await in_thread(kind, lambda: question(_backbone(kind)))


async def in_thread(kind: str, question: Callable[[], T]) -> T:
    """Answer a question in the thread of a kind of triggers."""
    return await asyncio.get_running_loop().run_in_executor(_thread(kind), question)
