"""Sending a chunk file to a worker in a form, as it is read: in constant memory, its digest compared."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from dbb.errors import DigestMismatch
from dbb.model.qserv import ChunkFile
from dbb.ports.store import READ_BYTES

DIGEST_BYTES = 20


def read_checked(source: BinaryIO, file: ChunkFile, where: str) -> Iterator[bytes]:
    """Give the bytes of a chunk file; the last of them only if all are what its record says.

    Raises
    ------
    DigestMismatch
        If they are not.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    held = b""
    while data := source.read(READ_BYTES):
        digest.update(data)
        if held:
            yield held
        held = data
    found = digest.hexdigest()
    if found != file.digest:
        raise DigestMismatch.for_copy(where, file.digest, found)
    yield held


class Form:
    """Be the body of a request: fields first, then one file, as Qserv's workers want it.

    Parameters
    ----------
    fields
        What stands before the file.
    name
        The file's, for the worker.
    source, file
        Its bytes and its record: whose digest is compared before the last of them is given.
    """

    def __init__(
        self, fields: Mapping[str, object], name: str, source: BinaryIO, file: ChunkFile
    ) -> None:
        self._mark = secrets.token_hex(16)
        head = "".join(self._field(key, value) for key, value in fields.items())
        head += (
            f'--{self._mark}\r\nContent-Disposition: form-data; name="rows"; filename="{name}"\r\n'
            "Content-Type: text/csv\r\n\r\n"
        )
        self._head, self._tail = head.encode(), f"\r\n--{self._mark}--\r\n".encode()
        self._size_bytes = file.size_bytes
        self._pieces = self._give(source, file, name)
        self._left = b""

    @property
    def content_type(self) -> str:
        """Give the request's header."""
        return f"multipart/form-data; boundary={self._mark}"

    def __len__(self) -> int:
        return len(self._head) + self._size_bytes + len(self._tail)

    def read(self, size: int = -1) -> bytes:
        """Give some bytes; none at the end."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece
        size = len(self._left) if size < 0 else size
        given, self._left = self._left[:size], self._left[size:]
        return given

    def _field(self, name: str, value: object) -> str:
        return f'--{self._mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'

    def _give(self, source: BinaryIO, file: ChunkFile, name: str) -> Iterator[bytes]:
        yield self._head
        yield from read_checked(source, file, name)
        yield self._tail
