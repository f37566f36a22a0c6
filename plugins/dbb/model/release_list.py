"""The list of a release: which parcels it is made of, written by its producer when the last is sent.

A delivery says of a parcel that it is whole; only this list says of a release that it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from dbb.errors import BadDayObs, BadDocument, UnsafeName
from dbb.model import strict_json
from dbb.model.parcel import ParcelName

SCHEMA = "dbb-release/1"
LEAF = "RELEASE.json"
MAX_BYTES = 16 * 1024 * 1024

PARCEL_PREFIX = "release-"
"""The list of ``dp1`` travels in a parcel of permanent files of the name ``release-dp1``."""

_RELEASE = re.compile(r"[a-z0-9_]{1,30}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReleaseList:
    """Hold the names of a release's parcels, and the digest of each one's manifest.

    A manifest names every file with its digest: so the list says of each byte whether it is of the release.
    """

    release: str
    parcels: Mapping[str, str]

    @property
    def data(self) -> bytes:
        """Give the document in the form in which it is sent."""
        return strict_json.canonical(
            {"schema": SCHEMA, "release": self.release, "parcels": dict(self.parcels)}
        )

    @classmethod
    def parse(cls, data: bytes, name: str) -> Self:
        """Read a document.

        Raises
        ------
        BadDocument
            If it is no list of a release, or names something that is no parcel.
        """
        told = strict_json.parse(data, name, max_bytes=MAX_BYTES)
        if not isinstance(told, dict) or set(told) != {"schema", "release", "parcels"}:
            raise BadDocument.for_document(
                name, "it has other fields than schema, release, parcels"
            )
        if told["schema"] != SCHEMA:
            raise BadDocument.for_document(name, f"its schema is not {SCHEMA}")
        release, parcels = told["release"], told["parcels"]
        if not isinstance(release, str) or not _RELEASE.fullmatch(release):
            raise BadDocument.for_document(name, "its release has no name")
        if not isinstance(parcels, dict) or not parcels:
            raise BadDocument.for_document(name, "it lists no parcel")
        for unit, sha256 in parcels.items():
            _check(unit, sha256, name)
        return cls(release, parcels)


def release_of(unit: str) -> str:
    """Name the release whose list a parcel brings, by the parcel's name; empty for any other parcel."""
    leaf = unit.rpartition("/")[2]
    release = leaf.removeprefix(PARCEL_PREFIX)
    return release if release != leaf and _RELEASE.fullmatch(release) else ""


def _check(unit: str, sha256: object, name: str) -> None:
    try:
        ParcelName.parse(unit)
    except (UnsafeName, BadDayObs) as error:
        raise BadDocument.for_document(name, f"{unit!r} is no parcel") from error
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise BadDocument.for_document(name, f"the manifest of {unit} has no sha256")
