"""Say what a kind of storage must do for a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

PIECE_BYTES = 4 * 1024 * 1024

Check = Callable[[Iterator[bytes]], None]


class Storage(Protocol):
    """Read and write whole files; nobody may ever see half of one."""

    def size_bytes(self, url: str) -> int | None:
        """Give a file's size, or `None` when there is no such file."""
        ...

    def read(self, url: str) -> Iterator[bytes]:
        """Give a file's bytes in pieces."""
        ...

    def write(self, url: str, pieces: Iterator[bytes], *, ticket: str, check: Check) -> None:
        """Make all pieces visible at once, after `check` has seen them read back.

        Parameters
        ----------
        url
            The destination.
        pieces
            The bytes; an error raised by this iterator leaves the destination as it was.
        ticket
            A name of this copy, the same when it is repeated after a crash.
        check
            Called with the bytes as they were stored; its error undoes the write.
        """
        ...
