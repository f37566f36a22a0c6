"""What a long command is at, on a terminal: the flows' own log in one line that is written over."""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from dbb.printable import show

EVERY_S = 0.2
"""How often the line changes at most."""

_WIPE = "\r\x1b[K"


class ProgressLine(logging.Handler):
    """Show the last step that a flow logged, how many of its kind there were, and for how long."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(logging.INFO)
        self._stream = stream
        self._begun = self._shown = time.monotonic()
        self._is_there = False
        self._steps: Counter[str] = Counter()
        self._totals: dict[str, int] = {}

    def expect(self, action: str, total: int) -> None:
        """Say how many steps of a kind there will be."""
        self._totals[action] = total

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a step; a warning stays, above the line."""
        message = show(record.getMessage())
        if record.levelno >= logging.WARNING:
            self.wipe()
            print(message, file=self._stream)
            return
        if (found := re.match(r"action=(\S+) ?(.*)", message)) is None:
            return
        action, rest = found.groups()
        self._steps[action] += 1
        now = time.monotonic()
        if now >= self._shown + EVERY_S:
            self._shown = now
            self._show(action, rest, now - self._begun)

    def wipe(self) -> None:
        """Take the line away, so that something else can be written."""
        if self._is_there:
            self._stream.write(_WIPE)
            self._stream.flush()
            self._is_there = False

    def _show(self, action: str, rest: str, seconds: float) -> None:
        done, total = self._steps[action], self._totals.get(action)
        share = f" of {total:,} ({100 * done // total} %)" if total else ""
        line = f"{action} {done:,}{share}, {seconds:.0f} s: {rest}"
        self._stream.write(_WIPE + line[: shutil.get_terminal_size().columns - 1])
        self._stream.flush()
        self._is_there = True


@contextmanager
def following(stream: TextIO) -> Iterator[ProgressLine]:
    """Follow the flows' log while a command runs; nothing is shown where nobody looks."""
    line, logger = ProgressLine(stream), logging.getLogger("dbb")
    if not stream.isatty():
        yield line
        return
    level = logger.level
    logger.addHandler(line)
    logger.setLevel(logging.INFO)
    try:
        yield line
    finally:
        logger.removeHandler(line)
        logger.setLevel(level)
        line.wipe()
