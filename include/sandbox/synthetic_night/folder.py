"""The folder that stands for the camera's store."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import count
from pathlib import Path


class Folder:
    """Write files whole or not at all, as the camera does: under another name, then renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._numbers = count()
        self._made: set[str] = set()

    def put_all(self, files: Iterable[tuple[str, bytes]]) -> list[str]:
        """Write files; name them."""
        waiting = self._root / ".writing"
        waiting.mkdir(parents=True, exist_ok=True)
        names = []
        for name, data in files:
            folder = name.rpartition("/")[0]
            if folder not in self._made:
                (self._root / folder).mkdir(parents=True, exist_ok=True)
                self._made.add(folder)
            path = waiting / f"{os.getpid()}-{next(self._numbers)}"
            path.write_bytes(data)
            path.replace(f"{self._root}/{name}")
            names.append(name)
        waiting.rmdir()
        return names
