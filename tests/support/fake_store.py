"""A store in memory that keeps the promises of the real ones, and forgets what a power cut loses.

It has a disk and, above it, a page cache: what was written lies in both, and rot strikes the disk
only. A warm reading therefore still looks well, as on a real machine; a cold one does not.
"""

from __future__ import annotations

import datetime as dt
import io
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from dbb.errors import MissingCopy, NoReadUrl, StoreUnavailable
from dbb.hooks.store_names import folder_name, found_name, is_hidden, target_name
from dbb.ports.clock import Clock
from dbb.ports.store import StoredFile, Writer
from support.fake_clock import FixedClock


@dataclass(slots=True)
class _File:
    disk: bytes
    cache: bytes
    modified_at: dt.datetime


class MemoryStore:
    """Keep files in memory.

    Parameters
    ----------
    name
        What its URL, ``memory://name``, calls it.
    clock
        Tells the time at which a file is written.
    """

    def __init__(self, name: str = "store", clock: Clock | None = None) -> None:
        self.name = name
        self.clock = clock or FixedClock()
        self._files: dict[str, _File] = {}
        self._power_cuts = 0
        self._parts: dict[str, dt.datetime] = {}
        self._part_numbers = itertools.count()

    @property
    def url(self) -> str:
        """Give the root's URL."""
        return f"memory://{self.name}"

    def url_of(self, name: str) -> str:
        """Give the URL of a file."""
        return f"{self.url}/{found_name(name)}"

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        """List the files below a folder, in the order of their names."""
        folder = folder_name(prefix)
        for name in sorted(self._files):
            if name.startswith(folder) and not any(map(is_hidden, name.split("/"))):
                yield self._stored_file(name)

    def stat(self, name: str) -> StoredFile | None:
        """Describe one file, or None where there is none."""
        return self._stored_file(name) if found_name(name) in self._files else None

    @contextmanager
    def open(self, name: str, *, cold: bool = False) -> Iterator[BinaryIO]:
        """Open a file; ``cold`` reads the disk."""
        file = self._files.get(found_name(name))
        if file is None:
            raise MissingCopy.for_file(self.url_of(name))
        if cold:
            file.cache = file.disk
        yield io.BytesIO(file.cache)

    @contextmanager
    def create(self, name: str) -> Iterator[Writer]:
        """Write a file that is there when the context ends well and the power stayed on."""
        target = target_name(name)
        before = self._power_cuts
        buffer = io.BytesIO()
        part = f".{target}.{next(self._part_numbers)}.part"
        self._parts[part] = self.clock.now()
        try:
            yield buffer
        finally:
            was_swept = self._parts.pop(part, None) is None
        if was_swept:
            raise StoreUnavailable.for_store(self.url, "what was written is gone")
        if self._power_cuts != before:
            raise StoreUnavailable.for_store(self.url, "the power was cut")
        self.put(target, buffer.getvalue())

    def move(self, name: str, new_name: str) -> None:
        """Rename a file; no-op when only ``new_name`` is there."""
        source, target = found_name(name), target_name(new_name)
        if source in self._files:
            self._files[target] = self._files.pop(source)
        elif target not in self._files:
            raise MissingCopy.for_file(self.url_of(name))

    def delete(self, names: Iterable[str]) -> None:
        """Delete files; those already gone are no error."""
        for name in names:
            self._files.pop(found_name(name), None)

    def sweep_parts(self, older_than: dt.datetime) -> list[str]:
        """Forget the files that killed writers have begun."""
        swept = sorted(name for name, began in self._parts.items() if began < older_than)
        for name in swept:
            del self._parts[name]
        return swept

    def read_url(self, name: str, valid_s: int) -> str:
        """Refuse: memory has no address."""
        del valid_s
        raise NoReadUrl.for_store(self.url_of(name), "it is memory")

    # What follows is for tests: no flow sees it.

    def crash(self) -> None:
        """Cut the power: files whose writing has not ended are lost, and so is the page cache."""
        self._power_cuts += 1
        for file in self._files.values():
            file.cache = file.disk

    def put(self, name: str, data: bytes) -> None:
        """Lay down a file as another program would, under any name."""
        self._files[name] = _File(data, data, self.clock.now())

    def data(self, name: str) -> bytes:
        """Give what is on the disk."""
        return self._files[name].disk

    def rot(self, name: str, bit: int = 0) -> None:
        """Flip one bit on the disk, behind the page cache's back."""
        damaged = bytearray(self._files[name].disk)
        damaged[bit // 8] ^= 1 << bit % 8
        self._files[name].disk = bytes(damaged)

    @property
    def names(self) -> list[str]:
        """List every file, hidden ones too."""
        return sorted(self._files)

    def _stored_file(self, name: str) -> StoredFile:
        file = self._files[name]
        return StoredFile(name, len(file.disk), file.modified_at)
