"""Restoring a place from its peers' stores: units are known by their manifests, and believed when they were read.

What most peers have is the truth about a unit: a manifest names the sha256 of its files, and each file is compared
with it while it is copied, and read back from the disk afterwards.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from dbb.digests import DigestWriter, digest_stream
from dbb.errors import BadManifest, Damaged, DigestMismatch, MissingCopy
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import Cargo, stored_name
from dbb.flows.rebuilding import is_of_days
from dbb.model import manifest as raw
from dbb.model import parcel as parcels
from dbb.model.exposure import Unit
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.parcel import Parcel
from dbb.ports.catalog import CatalogFile
from dbb.ports.ledger import UnitRow
from dbb.ports.repository import LandedBundle, LandedParcel, Repository
from dbb.ports.store import READ_BYTES, Store

log = logging.getLogger(__name__)

UNITS_AT_ONCE = 20
"""Units that are ingested together."""


class ScratchRepository(Repository, Protocol):
    """Serve datasets in a Butler repository that may be lost."""

    def wipe(self) -> None:
        """Take the repository away, registry and all, and make an empty one.

        Raises
        ------
        NotScratch
            If something lies there that is not marked as scratch.
        """

    def read(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        """Read datasets as a user does; give the error of each that cannot be read."""


@dataclass
class Restoring:
    """Bring every unit of the peers to an empty place, and look at all of it.

    Parameters
    ----------
    backbone
        The peers' stores.
    store, repository
        The empty place.
    peers
        Endpoints to restore from, the best first.
    days
        The first and the last night.
    units, files, size_bytes
        What was to come back.
    wrong
        What did not, with the reason.
    """

    backbone: Backbone
    store: Store
    repository: ScratchRepository
    peers: Sequence[str]
    days: tuple[int, int]
    units: int = 0
    files: int = 0
    size_bytes: int = 0
    wrong: dict[str, str] = field(default_factory=dict)

    def run(self) -> Self:
        """Do it, some units at a time."""
        found = self._find()
        names = sorted(found)
        self.units = len(names)
        for first in range(0, len(names), UNITS_AT_ONCE):
            cargoes = []
            for name in names[first : first + UNITS_AT_ONCE]:
                cargo = self._bring(name, found[name])
                if cargo is not None:
                    cargoes.append(cargo)
            self._ingest(cargoes)
            self._look(cargoes)
        return self

    def _find(self) -> dict[str, dict[str, list[str]]]:
        """List the units of all peers: by name, the peers that have each manifest of it."""
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for peer in self.peers:
            for document in self._documents(peer):
                found[str(document.unit)][document.sha256].append(peer)
        return found

    def _documents(self, peer: str) -> Iterator[Manifest | Parcel]:
        store = self.backbone.store(peer)
        for kind in Kind:
            ending = ".manifest.json" if kind is Kind.RAW else ".parcel.json"
            for file in store.list_files(f"{kind.scope}/"):
                if not file.name.endswith(ending) or not is_of_days(file.name, self.days):
                    continue
                try:
                    document = self._read(store, file.name)
                except (BadManifest, MissingCopy) as error:
                    # Another peer may have it: it counts only where nobody has.
                    log.warning(
                        "action=drill peer=%s name=%s reason=%s", peer, file.name, error.code
                    )
                    continue
                yield document

    def _read(self, store: Store, name: str) -> Manifest | Parcel:
        is_raw = name.startswith(f"{Kind.RAW.scope}/")
        limit = raw.MAX_BYTES if is_raw else parcels.MAX_BYTES
        with store.open(name, cold=True) as stream:
            data = stream.read(limit + 1)
        return Manifest.parse(data, name) if is_raw else Parcel.parse(data, name)

    def _bring(self, unit: str, versions: Mapping[str, Sequence[str]]) -> Cargo | None:
        """Copy the files of a unit, the manifest last."""
        votes = Counter({sha256: len(peers) for sha256, peers in versions.items()}).most_common(2)
        if len(votes) > 1 and votes[0][1] == votes[1][1]:
            told = "; ".join(" ".join(each) for each in versions.values())
            self.wrong[unit] = f"the peers have different manifests ({told}), and none has more"
            return None
        having = versions[votes[0][0]]
        document = self._read(self.backbone.store(having[0]), _document_name(unit))
        cargo = Cargo(_row_of(document), document)
        for file in cargo.files:
            self.files += 1
            self.size_bytes += file.digest.size_bytes
            if (why := self._copy(file, having)) is not None:
                self.wrong[f"{unit} {file.did}"] = why
                return None
        return cargo

    def _copy(self, file: CatalogFile, peers: Sequence[str]) -> str | None:
        """Copy one file from the first peer whose bytes are right; say why none is."""
        name, reasons = stored_name(file.did), []
        for peer in peers:
            store = self.backbone.store(peer)
            try:
                with store.open(name) as reader, self.store.create(name) as writer:
                    digester = DigestWriter()
                    while data := reader.read(READ_BYTES):
                        digester.update(data)
                        writer.write(data)
                    found = digester.digest()
                    if not found.same_bytes(file.digest):  # then nothing is left behind
                        raise DigestMismatch.for_copy(
                            store.url_of(name), file.digest.sha256, found.sha256
                        )
            except Damaged as error:
                reasons.append(f"{peer}: {error.code}")
                continue
            return None
        return "no peer has a good copy: " + ", ".join(reasons)

    def _ingest(self, cargoes: Sequence[Cargo]) -> None:
        store, repository = self.store, self.repository
        bundles, batches = [], []
        for cargo in cargoes:
            urls = {
                str(file.did.name): store.url_of(stored_name(file.did)) for file in cargo.contents
            }
            if isinstance(cargo.document, Manifest):
                (url,) = urls.values()
                bundles.append(LandedBundle(cargo.document, url))
            elif any(file.refs for file in cargo.document.files):
                batches.append(LandedParcel(cargo.document, urls))
        refused = repository.ingest(bundles) if bundles else {}
        refused |= repository.ingest_parcels(batches) if batches else {}
        self.wrong |= {unit: f"Butler refuses it: {error}" for unit, error in refused.items()}

    def _look(self, cargoes: Sequence[Cargo]) -> None:
        """Read every byte back, ask for every dataset, read one of each unit as a user does."""
        samples = {}
        for cargo in cargoes:
            unit = cargo.row.unit
            for file in cargo.files:
                if not self._is_right(file):
                    self.wrong[f"{unit} {file.did}"] = "it is not what was written"
            ids = _dataset_ids(cargo.document)
            lacking = set(ids) - self.repository.locate(ids).keys()
            if lacking:
                self.wrong[unit] = f"Butler lacks {len(lacking)} of {len(ids)} datasets"
            elif ids:
                samples[ids[0]] = unit
        unreadable = self.repository.read(list(samples)) if samples else {}
        self.wrong |= {
            samples[key]: f"Butler cannot read {key}: {why}" for key, why in unreadable.items()
        }

    def _is_right(self, file: CatalogFile) -> bool:
        try:
            with self.store.open(stored_name(file.did), cold=True) as stream:
                return digest_stream(stream).same_bytes(file.digest)
        except Damaged:
            return False


def _row_of(document: Manifest | Parcel) -> UnitRow:
    """Give what the names of a unit's files are made of; no ledger is asked."""
    if isinstance(document, Manifest):
        kind, instrument = str(Kind.RAW), document.unit.instrument
    else:
        kind, instrument = str(document.kind), document.instrument
    return UnitRow(
        unit=str(document.unit),
        kind=kind,
        instrument=instrument,
        day_obs=_day_of(document),
        obs_id="",
        part=1,
        expected=0,
        arrived=0,
        missing=(),
        changed_at=dt.datetime.min.replace(tzinfo=dt.UTC),
        manifest_sha256=document.sha256,
    )


def _document_name(unit: str) -> str:
    """Name the manifest of a unit in every store."""
    if unit.partition("/")[0] in {kind.scope for kind in Kind if kind is not Kind.RAW}:
        name = parcels.ParcelName.parse(unit)
        return f"{name.kind.scope}/{name.manifest_name}"
    return f"{Kind.RAW.scope}/{Unit.parse(unit).manifest_name}"


def _day_of(document: Manifest | Parcel) -> int:
    if isinstance(document, Manifest):
        return document.unit.obs_id.day_obs.value
    return document.day_obs


def _dataset_ids(document: Manifest | Parcel) -> list[str]:
    if isinstance(document, Manifest):
        return [entry.ref["id"] for entry in document.images if entry.ref is not None]
    return [ref["id"] for file in document.files for ref in file.refs]
