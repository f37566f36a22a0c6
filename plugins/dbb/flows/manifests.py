"""Reading the manifests of raw exposures back, trusting only what the ledger confirms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dbb.errors import BadManifest
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import read_cargo, read_document
from dbb.model.delivery import State
from dbb.model.instrument import Detector
from dbb.model.manifest import Entry, Manifest
from dbb.ports.ledger import UnitRow


def read_manifest(
    backbone: Backbone, row: UnitRow, endpoint: str | None = None, *, cold: bool = False
) -> Manifest:
    """Read the manifest of a sealed exposure from an endpoint (the archive, if none is named).

    Raises
    ------
    MissingCopy
        If it is not there.
    DigestMismatch
        If its bytes are not those that the ledger knows.
    BadManifest
        If it is the manifest of a parcel.
    """
    document = read_document(backbone, row, endpoint or backbone.policy.archive, cold=cold)
    if not isinstance(document, Manifest):
        raise BadManifest.for_field(row.unit, "it is no exposure")
    return document


def read_manifests(
    backbone: Backbone, rows: Iterable[UnitRow], endpoint: str, state: State
) -> Iterator[tuple[UnitRow, Manifest]]:
    """Read the manifests of exposures that are in one state at an endpoint.

    One whose manifest is gone or damaged there becomes ``suspect`` and is left out.
    """
    for cargo in read_cargo(backbone, rows, endpoint, state):
        if isinstance(cargo.document, Manifest):
            yield cargo.row, cargo.document


def images_of(backbone: Backbone, manifest: Manifest) -> list[tuple[Entry, Detector]]:
    """List the images of a bundle with their detectors."""
    detectors = backbone.instruments[manifest.unit.instrument].by_suffix
    stem = f"{manifest.unit.obs_id}_"
    return [(entry, detectors[entry.name.removeprefix(stem)]) for entry in manifest.images]


def spokesman(backbone: Backbone, manifest: Manifest) -> tuple[Entry, Detector]:
    """Find the image that spoke for the exposure when it was bundled."""
    return min(
        images_of(backbone, manifest),
        key=lambda pair: (pair[1].purpose != "SCIENCE", pair[1].full_name),
    )
