"""The cache near the telescope: single images, within seconds, with everything else down.

It needs the source's store, its own store, its own registry and its own journal, and nothing else: no
ledger, no Rucio, no archive. Its datasets have ids of their own, because they are in a run of its own.
When the ledger is back, what was served is merged into it: nothing is lost and nothing is twice.
"""

from __future__ import annotations

import datetime as dt
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from dbb.digests import digest_bytes, digest_stream
from dbb.errors import (
    BadDayObs,
    BrokenContract,
    ConflictingDuplicate,
    Damaged,
    DbbError,
    DigestMismatch,
    UnsafeName,
)
from dbb.flows.backbone import Backbone
from dbb.flows.exposure_files import ExposureFiles
from dbb.flows.manifests import read_manifests
from dbb.flows.refusing import refuse_unit
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.digest import Digest
from dbb.model.exposure import ObsId, Unit
from dbb.model.instrument import Instrument
from dbb.model.kind import Kind
from dbb.model.names import SafeName
from dbb.model.oods import Served
from dbb.model.parcel import Parcel, ParcelFile
from dbb.ports.clock import Clock
from dbb.ports.images import Indexer, Inspector
from dbb.ports.repository import LandedParcel, Repository
from dbb.ports.store import Store, StoredFile

log = logging.getLogger(__name__)

RUN = "{instrument}/raw/oods"
"""Butler's run collection of the cache: another one than the archive's, hence other ids."""

FORMATTER = "dbb.hooks.butler_formatter.FitsFileFormatter"
FOLDER = "oods"


class Journal(Protocol):
    """Remember what became of each image: a small database beside the cache."""

    def note(self, images: Sequence[Served]) -> None:
        """Record images; what was known of them is replaced."""

    def of_day(self, day_obs: int) -> dict[str, Served]:
        """Read a day's images, by name at the source."""

    def unmerged(self) -> list[Served]:
        """Read the served images that the archive has not answered for."""

    def all(self) -> list[Served]:
        """Read everything."""

    def forget(self, names: Sequence[str]) -> None:
        """Forget images, by name at the source: they are not served any more."""


class MergedDatasets(Protocol):
    """Keep what a cache served in the ledger's database."""

    def keep(self, endpoint: str, images: Mapping[Served, str]) -> None:
        """Keep images with the archive's dataset id, or nothing while it has none."""


@dataclass(frozen=True)
class Oods:
    """Hold what the cache works with.

    Parameters
    ----------
    source, store, repository
        The camera's store, the cache's own, and its own registry.
    inspector, indexer, instruments
        What judges and describes images.
    journal, clock
        Its memory, and the time.
    settle_s
        How long a file must be unchanged before it is read.
    """

    source: Store
    store: Store
    repository: Repository
    inspector: Inspector
    indexer: Indexer
    instruments: Mapping[str, Instrument]
    journal: Journal
    clock: Clock
    settle_s: int


def ingest_night(oods: Oods, day_obs: DayObs) -> dict[str, int]:
    """Serve the images of a night that have come to rest and are not served yet.

    Returns
    -------
    dict
        How many were newly ``served``, ``refused``, and how many were ``known`` already.
    """
    counts = {"served": 0, "refused": 0, "known": 0}
    known = oods.journal.of_day(day_obs.value)
    for instrument in oods.instruments.values():
        listing = oods.source.list_files(f"{instrument.name}/{day_obs}/")
        for folder, files in itertools.groupby(listing, lambda file: file.name.rpartition("/")[0]):
            try:
                obs_id = ObsId.parse(folder.rpartition("/")[2])
            except (UnsafeName, BadDayObs):
                continue  # the raw flow refuses it; here it is nobody's image
            found = ExposureFiles.sort(folder, obs_id, files, instrument)
            _Exposure(oods, instrument, Unit(instrument.name, obs_id), known).serve(found, counts)
    log.info("action=oods-ingest day_obs=%s %s", day_obs, counts)
    return counts


@dataclass
class _Exposure:
    """Serve the images of one exposure that are new."""

    oods: Oods
    instrument: Instrument
    unit: Unit
    known: Mapping[str, Served]
    copied: list[tuple[Served, ParcelFile]] = field(default_factory=list)
    records: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    universe: dict[str, object] = field(default_factory=dict)

    def serve(self, files: ExposureFiles, counts: dict[str, int]) -> None:
        latest = self.oods.clock.now() - dt.timedelta(seconds=self.oods.settle_s)
        for detector, file in sorted(files.images.items()):
            if file.modified_at > latest:
                continue
            if self._is_known(file):
                counts["known"] += 1
                continue
            image = self._image(detector, file)
            try:
                self._copy(detector, file, image)
            except (BrokenContract, Damaged) as error:
                self._refuse(image, error)
                counts["refused"] += 1
        if self.copied:
            self._ingest(counts)

    def _is_known(self, file: StoredFile) -> bool:
        known = self.known.get(file.name)
        return (
            known is not None
            and known.state in ("served", "refused")
            and (known.size_bytes, known.changed_at) == (file.size_bytes, _time(file))
        )

    def _image(self, detector: str, file: StoredFile) -> Served:
        return Served(
            name=file.name,
            instrument=self.unit.instrument,
            day_obs=self.unit.obs_id.day_obs.value,
            obs_id=str(self.unit.obs_id),
            detector=detector,
            size_bytes=file.size_bytes,
            changed_at=_time(file),
        )

    def _copy(self, detector: str, file: StoredFile, image: Served) -> None:
        """Judge an image, describe it, copy it and read the copy back."""
        with self.oods.source.open(file.name) as stream:
            data = stream.read()
        found = self.oods.inspector.inspect_image(
            file.name, data, self.unit, self.instrument.by_name[detector]
        )
        facts = self.oods.inspector.translate(file.name, found.header, self.unit)
        leaf = file.name.rpartition("/")[2]
        run = RUN.format(instrument=self.unit.instrument)
        index = self.oods.indexer.index(self.unit, facts, {detector: leaf}, run)
        digest = digest_bytes(data)
        target = f"{FOLDER}/{file.name}"
        with self.oods.store.create(target) as writer:
            writer.write(data)
        self._read_back(target, digest)
        ref = index.refs[detector]
        copied = replace(
            image, sha256=digest.sha256, size_bytes=digest.size_bytes, dataset_id=ref["id"],
            state="copied",
        )  # fmt: skip
        self.oods.journal.note([copied])
        self.copied.append((copied, ParcelFile(SafeName(target), digest, (ref,), FORMATTER)))
        self._gather(index.records)
        self.universe = index.universe

    def _gather(self, records: Mapping[str, Sequence[dict[str, object]]]) -> None:
        for element, rows in records.items():
            known = self.records.setdefault(element, [])
            known += [row for row in rows if row not in known]

    def _read_back(self, target: str, digest: Digest) -> None:
        with self.oods.store.open(target, cold=True) as stream:
            found = digest_stream(stream)
        if not found.same_bytes(digest):
            url = self.oods.store.url_of(target)
            raise DigestMismatch.for_copy(url, digest.sha256, found.sha256)

    def _ingest(self, counts: dict[str, int]) -> None:
        files = sorted((file for _, file in self.copied), key=lambda file: file.name)
        types = sorted({ref["dataset_type"] for file in files for ref in file.refs})
        parcel = Parcel(
            unit=f"{FOLDER}/{self.unit}",
            kind=Kind.RAW,
            instrument=self.unit.instrument,
            program="",
            day_obs=self.unit.obs_id.day_obs.value,
            files=tuple(files),
            dataset_types=dict.fromkeys(types, _RAW),
            universe=self.universe,
            records=self.records,
        )
        urls = {str(file.name): self.oods.store.url_of(file.name) for file in files}
        refused = self.oods.repository.ingest_parcels([LandedParcel(parcel, urls)])
        if refused:
            (error,) = refused.values()
            for image, _ in self.copied:
                self._refuse(image, error)
            counts["refused"] += len(self.copied)
            return
        now = self.oods.clock.now()
        self.oods.journal.note(
            [replace(image, state="served", served_at=now.isoformat()) for image, _ in self.copied]
        )
        counts["served"] += len(self.copied)

    def _refuse(self, image: Served, error: Exception) -> None:
        code = error.code if isinstance(error, DbbError) else "ingest-refused"
        log.warning("action=oods-refuse name=%s code=%s", image.name, code)
        self.oods.journal.note(
            [replace(image, state="refused", code=code, reason=str(error)[:500])]
        )


_RAW = {
    "dimensions": ["instrument", "exposure", "detector"],
    "storage_class": "FitsHDUList",
    "is_calibration": False,
}


def _time(file: StoredFile) -> str:
    return file.modified_at.isoformat()


# -- merging ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Merge:
    """Say what the archive answers for the images that a cache served.

    Parameters
    ----------
    same
        Images that the archive has with the same bytes, and its dataset ids.
    differs
        Images that it has with other bytes, and their sha256 there.
    alone
        Images of exposures that it does not have yet: another merge asks again.
    """

    same: dict[Served, str]
    differs: dict[Served, str]
    alone: tuple[Served, ...]


def plan_merge(backbone: Backbone, journal: Journal) -> Merge:
    """Compare what the cache served with the archive's manifests; change nothing."""
    merge = Merge({}, {}, ())
    alone: list[Served] = []
    images = sorted(journal.unmerged(), key=_exposure_of)
    for unit, group in itertools.groupby(images, _exposure_of):
        entries = _archive_entries(backbone, unit)
        for image in group:
            there = entries.get(image.leaf)
            if there is None:
                alone.append(image)
            elif there[0] == image.sha256:
                merge.same[image] = there[1]
            else:
                merge.differs[image] = there[0]
    return replace(merge, alone=tuple(alone))


def _exposure_of(image: Served) -> str:
    return str(Unit(image.instrument, ObsId.parse(image.obs_id)))


def _archive_entries(backbone: Backbone, unit: str) -> dict[str, tuple[str, str]]:
    """Read what the archive has of an exposure: by file name, sha256 and dataset id."""
    archive = backbone.policy.archive
    names = [unit, *(f"{unit}.{part}" for part in range(2, 8))]
    rows = [row for row in backbone.ledger.units(names).values() if row.manifest_sha256]
    deliveries = backbone.ledger.deliveries([row.unit for row in rows])
    there = [
        row
        for row in rows
        if (row.unit, archive) in deliveries
        and deliveries[row.unit, archive].state is State.PUBLISHED
    ]
    return {
        str(entry.name): (entry.digest.sha256, str(entry.ref["id"]))
        for _, manifest in read_manifests(backbone, there, archive, State.PUBLISHED)
        for entry in manifest.images
        if entry.ref is not None
    }


def apply_merge(
    backbone: Backbone, datasets: MergedDatasets, journal: Journal, endpoint: str, merge: Merge
) -> None:
    """Keep in the ledger's database what was served; put contradictions on the record.

    The journal learns the answers last: a merge that is killed is done again, with the same effect.
    """
    datasets.keep(endpoint, {**merge.same, **dict.fromkeys([*merge.alone, *merge.differs], "")})
    for image, sha256 in merge.differs.items():
        error = ConflictingDuplicate.for_file(image.name, sha256, image.sha256)
        refuse_unit(backbone, _exposure_of(image), image.day_obs, endpoint, error)
    answered = [replace(image, merged="same") for image in merge.same]
    answered += [replace(image, merged="differs") for image in merge.differs]
    journal.note(answered)
    log.info(
        "action=oods-merge same=%d differs=%d alone=%d",
        len(merge.same), len(merge.differs), len(merge.alone),
    )  # fmt: skip
