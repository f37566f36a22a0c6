"""The identity of bytes: sha256 and size; adler32 and crc32c ride along for Rucio and S3."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

from dbb.errors import BadManifest

_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEX32 = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Digest:
    """Hold what identifies a file's bytes.

    Parameters
    ----------
    size_bytes
        Number of bytes.
    sha256
        64 lower-case hexadecimal digits: the identity.
    adler32, crc32c
        8 lower-case hexadecimal digits each: for Rucio and FTS, and for S3. Never an identity:
        Adler-32 misses re-ordered blocks of real pixels.
    """

    size_bytes: int
    sha256: str
    adler32: str
    crc32c: str

    def __post_init__(self) -> None:
        """Refuse a digest of the wrong algorithm, case or length."""
        if not isinstance(self.size_bytes, int) or isinstance(self.size_bytes, bool):
            raise BadManifest.for_field("bytes", "it is no whole number")
        if self.size_bytes < 0:
            raise BadManifest.for_field("bytes", "it is negative")
        if not isinstance(self.sha256, str) or not _SHA256.fullmatch(self.sha256):
            raise BadManifest.for_field("sha256", "it is not 64 lower-case hexadecimal digits")
        for field, value in (("adler32", self.adler32), ("crc32c", self.crc32c)):
            if not isinstance(value, str) or not _HEX32.fullmatch(value):
                raise BadManifest.for_field(field, "it is not 8 lower-case hexadecimal digits")

    def same_bytes(self, other: Digest) -> bool:
        """Say whether both describe the same bytes."""
        return self.size_bytes == other.size_bytes and self.sha256 == other.sha256

    def to_json(self) -> dict[str, Any]:
        """Give the four fields as they stand in a manifest."""
        return {
            "bytes": self.size_bytes,
            "sha256": self.sha256,
            "adler32": self.adler32,
            "crc32c": self.crc32c,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Read the four fields of a manifest."""
        return cls(fields["bytes"], fields["sha256"], fields["adler32"], fields["crc32c"])
