"""A fingerprint of a set of dataset identifiers, the same in whatever order they come.

It is a number and two sums, so that a database can compute it where the identifiers lie. Identifiers
are drawn evenly from 2^122 (they are derived by SHA-1), so that two sets of one number that differ
have the same sums once in 2^100; it is a check against accidents, not against an adversary.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from dbb.model.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Hold the number of a set's identifiers and the sums of their halves.

    Parameters
    ----------
    count
        How many.
    high, low
        Sums of the upper and of the lower 64 bits, each taken as a signed integer.
    """

    count: int
    high: int
    low: int

    @classmethod
    def of(cls, ids: Iterable[bytes]) -> Self:
        """Compute the fingerprint of identifiers of 16 bytes each."""
        count = high = low = 0
        for each in ids:
            count += 1
            high += int.from_bytes(each[:8], "big", signed=True)
            low += int.from_bytes(each[8:], "big", signed=True)
        return cls(count, high, low)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str`` writes."""
        return cls(*(int(part) for part in text.split(":")))

    def __add__(self, other: Fingerprint) -> Fingerprint:
        return Fingerprint(self.count + other.count, self.high + other.high, self.low + other.low)

    def __str__(self) -> str:
        return f"{self.count}:{self.high}:{self.low}"


def image_ids(manifest: Manifest) -> list[bytes]:
    """List the identifiers of the datasets that a bundle becomes."""
    return [uuid.UUID(entry.ref["id"]).bytes for entry in manifest.images if entry.ref]


def fingerprint_of(manifest: Manifest) -> Fingerprint:
    """Compute the fingerprint of the datasets that a bundle becomes."""
    return Fingerprint.of(image_ids(manifest))
