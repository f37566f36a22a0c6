"""Store files in folders of this machine, or of a file system mounted on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sandbox.copy_service.guard import Guard
from sandbox.copy_service.storage import PIECE_BYTES, Check


class PosixStorage:
    """Write beside the destination, flush, read back, rename: a crash leaves old or new, no third."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def size_bytes(self, url: str) -> int | None:
        """Give the size of a regular file."""
        path = self._guard.real_path(url)
        return path.stat().st_size if path.is_file() else None

    def read(self, url: str) -> Iterator[bytes]:
        """Read a file from its beginning."""
        return _pieces(self._guard.real_path(url))

    def write(self, url: str, pieces: Iterator[bytes], *, ticket: str, check: Check) -> None:
        """Write ``.TICKET.part`` and rename it over the destination once it is safe on disk."""
        path = self._guard.real_path(url)
        _make_folder(path.parent)
        part = path.parent / f".{ticket}.part"
        try:
            with part.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
                # What is read back should come from the disk, not from memory that was just written.
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            check(_pieces(part))
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _make_folder(folder: Path) -> None:
    """Create missing folders and make their names durable, the topmost first."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        _sync_folder(new.parent)


def _sync_folder(folder: Path) -> None:
    """Flush a folder: without it a rename may be forgotten in a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
