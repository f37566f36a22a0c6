"""Two actors that take turns at every operation of their ports, in an order that a seed decides."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from support.faults import Schedule

TURN_S = 60
"""A turn that takes longer is a fault of the harness."""


class Baton:
    """Run one actor in a thread, and let it go on by one operation at a time.

    Parameters
    ----------
    act
        What the actor does, given the schedule that its ports share.
    """

    def __init__(self, act: Callable[[Schedule], None]) -> None:
        self._turn = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self.is_over = False
        self.error: BaseException | None = None
        self.operations = 0
        self._thread = threading.Thread(target=self._run, args=(act,), daemon=True)
        self._thread.start()

    def step(self) -> None:
        """Let the actor do what it is at, up to its next operation."""
        if self.is_over:
            return
        self.operations += 1
        self._turn.release()
        assert self._back.acquire(timeout=TURN_S)
        if self.error is not None:
            raise self.error

    def finish(self) -> None:
        """Let the actor come to its end."""
        while not self.is_over:
            self.step()
        self._thread.join(TURN_S)

    def _run(self, act: Callable[[Schedule], None]) -> None:
        try:
            self._wait()
            act(_Pausing(self))
        except BaseException as error:  # noqa: BLE001 - it is raised in the other thread
            self.error = error
        self.is_over = True
        self._back.release()

    def _wait(self) -> None:
        assert self._turn.acquire(timeout=TURN_S * 5)

    def pause(self) -> None:
        """Give the turn back (called by the actor)."""
        self._back.release()
        self._wait()


class _Pausing(Schedule):
    """Pause the actor before each operation."""

    def __init__(self, baton: Baton) -> None:
        super().__init__()
        self._baton = baton

    def begin(self, label: str) -> int:
        self._baton.pause()
        return super().begin(label)


class Interleaved(Schedule):
    """Let the other actor go on, by chance, before each operation of ours: ``pace`` on average."""

    def __init__(self, baton: Baton, draw: random.Random, pace: float) -> None:
        super().__init__()
        self._baton = baton
        self._draw = draw
        self._pace = pace

    def begin(self, label: str) -> int:
        for _ in range(int(self._draw.expovariate(1 / self._pace) + self._draw.random())):
            self._baton.step()
        return super().begin(label)
