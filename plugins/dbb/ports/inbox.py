"""Events that were stored and wait."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Protocol

from dbb.model.event import Event


class Inbox(Protocol):
    """Keep events."""

    def store(self, events: Sequence[Event]) -> int:
        """Keep events durably; those that came before are left out. Give the number of new ones."""

    def fresh(self, rse: str, most: int) -> list[Event]:
        """Read the events of an RSE that nobody has dealt with, oldest first."""

    def newest(self, rse: str) -> tuple[int, dt.datetime | None]:
        """Say how many events of an RSE nobody has dealt with, and when the last one came."""

    def settle(self, event_ids: Sequence[str]) -> None:
        """Say that events are dealt with."""

    def replay(self, event_ids: Sequence[str]) -> int:
        """Have events looked at again; give their number. A poison one has nothing to look at."""

    def prune(self, before: dt.datetime) -> int:
        """Forget events that were dealt with before a time; give their number."""

    def find(self, state: str, rse: str, most: int) -> list[Event]:
        """List events, newest first; an empty ``state`` or ``rse`` is any."""
