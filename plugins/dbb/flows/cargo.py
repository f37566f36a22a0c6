"""What a unit is made of, whatever its kind: its files, its manifest, its Rucio dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dbb.digests import digest_bytes, digest_stream
from dbb.errors import DbbError, DigestMismatch, MissingCopy
from dbb.flows.backbone import Backbone
from dbb.flows.refusing import refuse_unit
from dbb.model import manifest as raw
from dbb.model import parcel as parcels
from dbb.model.delivery import State
from dbb.model.digest import Digest
from dbb.model.exposure import Unit
from dbb.model.kind import Kind
from dbb.model.lfn import unescape_name
from dbb.model.manifest import Manifest
from dbb.model.names import Did
from dbb.model.parcel import Parcel
from dbb.ports.catalog import CatalogFile
from dbb.ports.ledger import UnitRow

_ZIP = {"rubin_butler": "zip_file", "rubin_sidecar": ""}
"""By these keys Rubin's ingest daemon knows a zip for ``ingest_zip``. The manifest has none: that
daemon must leave it alone."""


@dataclass(frozen=True, slots=True)
class Cargo:
    """Hold what travels of one unit.

    Parameters
    ----------
    row
        The unit, as the ledger knows it.
    document
        Its manifest: of a bundle, or of a parcel.
    """

    row: UnitRow
    document: Manifest | Parcel

    @property
    def contents(self) -> tuple[CatalogFile, ...]:
        """List the files, without the manifest."""
        if isinstance(self.document, Manifest):
            did = Did(self.document.scope, self.document.unit.bundle_name)
            return (CatalogFile(did, self.document.bundle, _ZIP),)
        scope = self.document.scope
        return tuple(
            CatalogFile(Did(scope, file.name), file.digest, _labels_of(file))
            for file in self.document.files
        )

    @property
    def files(self) -> tuple[CatalogFile, ...]:
        """List the files, the manifest last."""
        manifest = CatalogFile(manifest_did(self.row), digest_bytes(self.document.data))
        return (*self.contents, manifest)


def _labels_of(file: parcels.ParcelFile) -> dict[str, str]:
    return dict(file.labels)


def stored_name(did: Did) -> str:
    """Give the name of a file in every store: Rucio's layout, with an object's own name."""
    name = unescape_name(did.name) if did.scope == Kind.LFA.scope else did.name
    return f"{did.scope}/{name}"


def dataset_did(row: UnitRow) -> Did:
    """Name the Rucio dataset of a unit."""
    if row.kind == Kind.RAW:
        return Did(Kind.RAW.scope, Unit.parse(row.unit).rucio_dataset)
    return parcels.ParcelName.parse(row.unit).dataset


def manifest_did(row: UnitRow) -> Did:
    """Name the manifest of a unit, as a file of Rucio."""
    if row.kind == Kind.RAW:
        return Did(Kind.RAW.scope, Unit.parse(row.unit).manifest_name)
    name = parcels.ParcelName.parse(row.unit)
    return Did(name.kind.scope, name.manifest_name)


def read_document(
    backbone: Backbone, row: UnitRow, endpoint: str, *, cold: bool = False
) -> Manifest | Parcel:
    """Read the manifest of a sealed unit from an endpoint, and compare it with the ledger.

    Raises
    ------
    MissingCopy
        If it is not there.
    DigestMismatch
        If its bytes are not those that the ledger knows.
    """
    store = backbone.store(endpoint)
    name = stored_name(manifest_did(row))
    limit = raw.MAX_BYTES if row.kind == Kind.RAW else parcels.MAX_BYTES
    with store.open(name, cold=cold) as stream:
        data = stream.read(limit + 1)
    found = hashlib.sha256(data).hexdigest()
    if found != row.manifest_sha256:
        raise DigestMismatch.for_copy(store.url_of(name), row.manifest_sha256, found)
    if row.kind == Kind.RAW:
        return Manifest.parse(data, name)
    return Parcel.parse(data, name)


def read_cargo(
    backbone: Backbone, rows: Iterable[UnitRow], endpoint: str, state: State
) -> Iterator[Cargo]:
    """Read what units that are in one state at an endpoint are made of.

    A unit whose manifest is gone or damaged there becomes ``suspect`` and is left out: it costs
    none of its neighbours.
    """
    for row in rows:
        try:
            document = read_document(backbone, row, endpoint)
        except (MissingCopy, DigestMismatch) as error:
            refuse_unit(backbone, row.unit, row.day_obs, endpoint, error)
            backbone.ledger.advance([row.unit], endpoint, state, State.SUSPECT, error.message)
        else:
            yield Cargo(row, document)


def verify_cargo(backbone: Backbone, row: UnitRow, endpoint: str) -> Cargo:
    """Re-read every file of a unit from the disk of an endpoint.

    Raises
    ------
    MissingCopy
        If a file is not there.
    DigestMismatch
        If its bytes are others.
    """
    cargo = Cargo(row, read_document(backbone, row, endpoint, cold=True))
    for file in cargo.contents:
        verify_file(backbone, file.did, file.digest, endpoint)
    return cargo


def verify_file(backbone: Backbone, did: Did, digest: Digest, endpoint: str) -> None:
    """Re-read one file from the disk of an endpoint.

    Raises
    ------
    MissingCopy
        If it is not there.
    DigestMismatch
        If its bytes are others.
    """
    store = backbone.store(endpoint)
    name = stored_name(did)
    with store.open(name, cold=True) as stream:
        found = digest_stream(stream)
    if not found.same_bytes(digest):
        raise DigestMismatch.for_copy(store.url_of(name), digest.sha256, found.sha256)


def declare_copy_bad(backbone: Backbone, row: UnitRow, endpoint: str, error: DbbError) -> None:
    """Have Rucio fetch the bad file of a unit anew; all its files, where it is not known which."""
    dids = [manifest_did(row)]
    if row.kind == Kind.RAW:
        dids.append(Did(Kind.RAW.scope, Unit.parse(row.unit).bundle_name))
    else:
        try:
            document = read_document(backbone, row, backbone.policy.archive)
        except (MissingCopy, DigestMismatch):
            pass  # the manifest alone is fetched; with it the next look knows the files
        else:
            dids = [file.did for file in Cargo(row, document).files]
    bad = [did for did in dids if error.where.endswith(stored_name(did))] or dids
    backbone.catalog.declare_bad(bad, backbone.rses[endpoint], error.code)
