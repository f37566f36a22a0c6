"""A clock that stands still until a test moves it."""

from __future__ import annotations

import datetime as dt


class FixedClock:
    """Tell the time that a test chose: by default a moment of the night 2026-11-21."""

    def __init__(self, now: dt.datetime = dt.datetime(2026, 11, 22, 4, 0, tzinfo=dt.UTC)) -> None:
        self._now = now

    def now(self) -> dt.datetime:
        """Give the time, in UTC."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += dt.timedelta(seconds=seconds)
