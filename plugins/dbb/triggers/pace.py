"""How often a watcher may wake its DAG: at once while things are calm, evenly while they are not."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Save up calls while nothing happens; when they are spent, allow one each `rest_s`.

    Each call makes a run, and each run some ten task instances: without it a busy night would make
    more of them than Airflow needs to be quick (`benchmarks/day_tasks.py`).

    Parameters
    ----------
    saved
        How many calls may follow each other without a rest.
    rest_s
        In how many seconds one more is saved.
    clock
        Tells the time in seconds.
    """

    def __init__(
        self, *, saved: int, rest_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._rest_s, self._clock = saved, rest_s, clock
        self._left = float(saved)
        self._at = clock()

    def call(self) -> float:
        """Note a call; say for how many seconds there may be no other."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) / self._rest_s) - 1
        self._at = now
        return max(0.0, 1 - self._left) * self._rest_s if self._left < 1 else 0.0
