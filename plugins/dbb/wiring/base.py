"""What every part opens: the clock, the ledger; and ports that open when they are used."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cached_property
from typing import Any

from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.settings import Settings


class WhenUsed:
    """Open a port when one of its methods is first asked for."""

    def __init__(self, open_port: Callable[[], object]) -> None:
        self._open_port = open_port

    @cached_property
    def _port(self) -> object:
        return self._open_port()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


class SystemClock:
    """Tell the machine's time."""

    def now(self) -> dt.datetime:
        """Give the time, aware, in UTC."""
        return dt.datetime.now(dt.UTC)


def open_ledger(settings: Settings, actor: str) -> SqlLedger:
    """Open the ledger of an installation; ``actor`` signs the history."""
    return SqlLedger(open_engine(settings.value("DBB_LEDGER_URL")), SystemClock(), actor)


def rucio_login(settings: Settings) -> dict[str, str]:
    """Give what a Rucio client logs in with."""
    return {
        "host": settings.value("DBB_RUCIO_HOST"),
        "account": settings.value("DBB_RUCIO_ACCOUNT"),
        "username": settings.value("DBB_RUCIO_USER"),
        "password": settings.value("DBB_RUCIO_PASSWORD"),
    }
