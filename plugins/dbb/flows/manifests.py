"""Reading manifests and bundles back from a store, trusting only what the ledger confirms."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from dbb.digests import digest_stream
from dbb.errors import DigestMismatch, MissingCopy
from dbb.flows.backbone import Backbone
from dbb.flows.refusing import refuse_unit
from dbb.model.delivery import State
from dbb.model.exposure import Unit
from dbb.model.manifest import MAX_BYTES, Manifest
from dbb.ports import UnitRow


def read_manifest(
    backbone: Backbone, row: UnitRow, endpoint: str | None = None, *, cold: bool = False
) -> Manifest:
    """Read the manifest of a sealed unit from an endpoint (the archive, if none is named).

    Raises
    ------
    MissingCopy
        If it is not there.
    DigestMismatch
        If its bytes are not those that the ledger knows.
    """
    store = backbone.store(endpoint or backbone.policy.archive)
    name = backbone.stored_name(Unit.parse(row.unit).manifest_name)
    with store.open(name, cold=cold) as stream:
        data = stream.read(MAX_BYTES + 1)
    found = hashlib.sha256(data).hexdigest()
    if found != row.manifest_sha256:
        raise DigestMismatch.for_copy(store.url_of(name), row.manifest_sha256, found)
    return Manifest.parse(data, name)


def read_manifests(
    backbone: Backbone, rows: Iterable[UnitRow], endpoint: str, state: State
) -> Iterator[tuple[UnitRow, Manifest]]:
    """Read the manifests of units that are in one state at an endpoint.

    A unit whose manifest is gone or damaged there becomes ``suspect`` and is left out: it costs
    none of its neighbours.
    """
    for row in rows:
        try:
            manifest = read_manifest(backbone, row, endpoint)
        except (MissingCopy, DigestMismatch) as error:
            refuse_unit(backbone, row.unit, row.day_obs, endpoint, error)
            backbone.ledger.advance([row.unit], endpoint, state, State.SUSPECT, error.message)
        else:
            yield row, manifest


def verify_bundle(backbone: Backbone, manifest: Manifest, endpoint: str) -> None:
    """Re-read a bundle from the disk of an endpoint and compare it with its manifest.

    Raises
    ------
    MissingCopy
        If it is not there.
    DigestMismatch
        If its bytes are others.
    """
    store = backbone.store(endpoint)
    name = backbone.stored_name(manifest.unit.bundle_name)
    with store.open(name, cold=True) as stream:
        found = digest_stream(stream)
    if not found.same_bytes(manifest.bundle):
        raise DigestMismatch.for_copy(store.url_of(name), manifest.bundle.sha256, found.sha256)
