"""Compute a file's checksum while its bytes pass."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator

from sandbox.copy_service.errors import Refused

KINDS = ("ADLER32", "MD5")


class Digest:
    """Take bytes in pieces, and give size and checksum at the end."""

    def __init__(self, kind: str = "ADLER32") -> None:
        self.kind = kind
        self.size_bytes = 0
        self._adler = 1
        self._md5 = hashlib.md5(usedforsecurity=False)

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        self.size_bytes += len(piece)
        if self.kind == "ADLER32":
            self._adler = zlib.adler32(piece, self._adler)
        else:
            self._md5.update(piece)

    @property
    def hex(self) -> str:
        """The checksum of what passed so far, in lower case, adler32 with leading zeros."""
        return f"{self._adler:08x}" if self.kind == "ADLER32" else self._md5.hexdigest()

    @classmethod
    def of(cls, pieces: Iterator[bytes], kind: str) -> Digest:
        """Read to the end."""
        digest = cls(kind)
        for piece in pieces:
            digest.update(piece)
        return digest


def parse_checksum(text: str | None) -> tuple[str, str | None]:
    """Parse FTS3's ``KIND:hex``; without one, adler32 still guards the copy from end to end."""
    if not text:
        return "ADLER32", None
    kind, colon, value = text.partition(":")
    kind, value = kind.upper(), value.strip().lower()
    if not colon or kind not in KINDS or not value:
        raise Refused(400, f"checksum {text!r} is not ADLER32:<hex> or MD5:<hex>")
    # Rucio and others drop leading zeros now and then.
    return kind, value.zfill(8) if kind == "ADLER32" else value
