"""Read one S3 object as a seekable file, in pieces of a few mebibytes."""

from __future__ import annotations

import io
import time
from typing import Any

from botocore.exceptions import (
    ConnectionClosedError,
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from dbb.hooks.s3_errors import s3_errors

PIECE_BYTES = 8 * 1024 * 1024
_BROKEN_BODY = (
    ConnectionClosedError,
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
_PAUSE_S = 0.2
_ATTEMPTS = 3
"""boto3 asks again for an answer that does not come, but not for a body that breaks off."""


class S3Object(io.RawIOBase):
    """Read ranges of an object, all of the same version: another one's ETag is refused.

    An object of a single piece is asked for whole, so that boto3 compares the server's checksum.

    Parameters
    ----------
    client, place
        The S3 client, and ``Bucket`` and ``Key``.
    head
        What ``head_object`` said of it.
    url
        What errors call it.
    """

    def __init__(self, client: Any, place: dict[str, str], head: dict[str, Any], url: str) -> None:
        super().__init__()
        self._client = client
        self._request = {**place, "IfMatch": head["ETag"]}
        self._size_bytes = int(head["ContentLength"])
        self._position = 0
        self._url = url

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Give the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position; nothing is fetched before it is read."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}
        self._position = max(0, start[whence] + offset)
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Fetch as much as fits, or what is left."""
        data = self._fetch(min(len(buffer), max(0, self._size_bytes - self._position)))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        """Fetch what is left."""
        pieces = []
        while left := max(0, self._size_bytes - self._position):
            pieces.append(self._fetch(min(left, PIECE_BYTES)))
        return b"".join(pieces)

    def _fetch(self, size_bytes: int) -> bytes:
        if not size_bytes:
            return b""
        wanted = {}
        if size_bytes != self._size_bytes:
            wanted["Range"] = f"bytes={self._position}-{self._position + size_bytes - 1}"
        with s3_errors(self._url):
            data = self._get(wanted)
        self._position += len(data)
        return data

    def _get(self, wanted: dict[str, str]) -> bytes:
        for attempt in range(_ATTEMPTS):
            try:
                answer = self._client.get_object(**self._request, **wanted)
                return bytes(answer["Body"].read())
            except _BROKEN_BODY:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(_PAUSE_S * 2**attempt)
        raise AssertionError
