"""Which rows a publication has: a row's hash as it is kept, and one hash of them all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

CHECK_BITS = 60
"""Bits of a hash that a database sums up: a day's sum stays a whole number."""


def identity_of(row_sha256: str) -> dict[str, Any]:
    """Give the columns of a row that say what it is."""
    return {"row_sha256": row_sha256, "row_check": int(row_sha256, 16) >> (256 - CHECK_BITS)}


def digest_of(hashes: Iterable[str]) -> str:
    """Give the identity of a publication's rows, whatever their order."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()
