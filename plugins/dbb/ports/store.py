"""Files at an endpoint."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

READ_BYTES = 4 * 1024 * 1024
"""Size of the pieces in which files are read."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Describe a file as a listing shows it: its name below the root, size and time (UTC).

    ``tag`` is what changes when the bytes do, where the store has such a thing (S3's ETag).
    """

    name: str
    size_bytes: int
    modified_at: dt.datetime
    tag: str = ""

    @property
    def stamp(self) -> str:
        """Give what tells this version of the file from others."""
        return f"{self.size_bytes} {self.tag or self.modified_at.isoformat()}"


class Writer(Protocol):
    """Take the bytes of a file that becomes visible when its context ends well."""

    def write(self, data: bytes, /) -> int:
        """Append bytes; return how many."""


class Store(Protocol):
    """Keep files at one endpoint, named by path below its root."""

    @property
    def url(self) -> str:
        """Give the root's URL, without a slash at the end."""

    def url_of(self, name: str) -> str:
        """Give the URL of a file."""

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        """List the files below a folder, in the order of their names.

        ``prefix`` ends with ``/`` (or is empty); ``raw/`` never matches ``rawother/``. Files still
        being written and links are not shown. Names come as they are, safe or not.
        """

    def stat(self, name: str) -> StoredFile | None:
        """Describe one file, or None where there is none."""

    def open(self, name: str, *, cold: bool = False) -> AbstractContextManager[BinaryIO]:
        """Open a file for reading (seekable).

        ``cold`` drops it from the page cache first, so that the disk is read and not memory.

        Raises
        ------
        MissingCopy
            If it is not there, or is no regular file.
        """

    def create(self, name: str) -> AbstractContextManager[Writer]:
        """Write a file whole or not at all, replacing one of the same name.

        It is durable and visible under its name when the context ends without an error, and leaves
        nothing behind when it ends with one.
        """

    def move(self, name: str, new_name: str) -> None:
        """Rename a file within the store; no-op when only ``new_name`` is there.

        Raises
        ------
        MissingCopy
            If neither is there.
        """

    def delete(self, names: Iterable[str]) -> None:
        """Delete files; those already gone are no error. Empty folders go too."""

    def sweep_parts(self, older_than: dt.datetime) -> list[str]:
        """Delete what killed writers left behind before a time (aware); give the names."""

    def read_url(self, name: str, valid_s: int) -> str:
        """Give an ``http(s)`` URL with which anybody can read a file until it expires.

        Raises
        ------
        NoReadUrl
            If such a store has none to give, or none for so long.
        MissingCopy
            If the file is not there.
        """
