"""What is said of the files of a batch, from whichever documents it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbb.model.digest import Digest


@dataclass(frozen=True, slots=True)
class Told:
    """Hold what a sidecar tells of one file.

    Parameters
    ----------
    refs, formatter
        As in ``model.parcel.ParcelFile``.
    size_bytes, sha256, adler32
        What the file should have; empty where nobody says.
    labels
        Metadata for Rucio's catalogue.
    """

    refs: tuple[Mapping[str, Any], ...] = ()
    formatter: str = ""
    size_bytes: int | None = None
    sha256: str = ""
    adler32: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def contradiction(self, found: Digest) -> str:
        """Say in what the file's bytes are not those that were told; nothing where they are."""
        if self.size_bytes not in (None, found.size_bytes):
            return f"it has {found.size_bytes} bytes, its sidecar says {self.size_bytes}"
        if self.sha256 not in ("", found.sha256):
            return f"its sha256 is {found.sha256}, its sidecar says {self.sha256}"
        if self.adler32 not in ("", found.adler32):
            return f"its adler32 is {found.adler32}, its sidecar says {self.adler32}"
        return ""


@dataclass(frozen=True)
class Sidecars:
    """Hold what is told of a whole batch.

    Parameters
    ----------
    files
        By name in the batch: every file that is no sidecar.
    dataset_types, universe, records
        As in ``model.parcel.Parcel``.
    instrument, program
        What policies ask for; empty where it is of none.
    """

    files: Mapping[str, Told]
    dataset_types: dict[str, dict[str, Any]] = field(default_factory=dict)
    universe: dict[str, Any] = field(default_factory=dict)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    instrument: str = ""
    program: str = ""
