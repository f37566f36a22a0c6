"""What is read of files, and what of it goes into registries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dbb.model.exposure import ExposureFacts, Unit
from dbb.model.instrument import Detector
from dbb.model.kind import Kind
from dbb.model.sidecar import Sidecars
from dbb.ports.store import Store


@dataclass(frozen=True, slots=True)
class Image:
    """Hold what the inspector found in one raw file."""

    header: Mapping[str, Any]
    checksums_present: bool


class Inspector(Protocol):
    """Judge raw files."""

    def inspect_image(self, name: str, data: bytes, unit: Unit, detector: Detector) -> Image:
        """Check one FITS file: structure, checksums where present, header identity = name.

        Raises
        ------
        TruncatedFile, UnreadableFits, FitsChecksumMismatch
            If the bytes are damaged.
        IdentityMismatch
            If the header names another exposure or detector.
        """

    def translate(self, name: str, header: Mapping[str, Any], unit: Unit) -> ExposureFacts:
        """Make the exposure's facts of one image's header.

        Raises
        ------
        UntranslatableHeader
            If it cannot be done.
        """


@dataclass(frozen=True)
class BundleIndex:
    """Hold what Butler needs to know of a bundle.

    Parameters
    ----------
    member_name, member_data
        The index file that goes into the bundle.
    refs
        By detector name, the ``ref`` of the manifest's entry.
    universe, records
        As in the manifest.
    """

    member_name: str
    member_data: bytes
    refs: dict[str, dict[str, Any]]
    universe: dict[str, Any]
    records: dict[str, list[dict[str, Any]]]


class Indexer(Protocol):
    """Write Butler's index of a bundle, with no registry at hand."""

    def index(
        self, unit: Unit, facts: ExposureFacts, members: Mapping[str, str], run: str
    ) -> BundleIndex:
        """Describe a bundle whose ``members`` map detector names to names in the zip."""


class ReadSidecars(Protocol):
    """Read what travels beside the files of a batch, or in them."""

    def __call__(self, store: Store, folder: str, names: Iterable[str], kind: Kind, /) -> Sidecars:
        """Read what is told of the files named, below a folder.

        Raises
        ------
        BadDocument
            If a document is not what it should be, or is missing.
        """


class Sky(Protocol):
    """Know the regions of the sky that policies name."""

    @property
    def version(self) -> str:
        """Give the identity of the regions and focal planes: with another one, answers may differ."""

    def regions_touched(self, facts: ExposureFacts) -> frozenset[str] | None:
        """Name the regions that an exposure's detectors touch; None if it sees no sky."""
