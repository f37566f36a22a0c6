"""Making parcels of the archive's files, one for each hour; from then on they are units like any other.

In which parcel a file travels is written down before the parcel is made: a run that is killed makes the same
one again. Each file is read once more from the disk: one that has rotted meanwhile is extracted again, and
costs nobody else. A later version of a file travels in a parcel of its own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Sequence
from typing import Protocol

from dbb.digests import digest_stream
from dbb.errors import Damaged, DbbError, DigestMismatch
from dbb.flows.backbone import Backbone
from dbb.flows.efd import Efd
from dbb.flows.parcels import arrive
from dbb.model.day_obs import DayObs
from dbb.model.efd import EfdFile
from dbb.model.kind import Kind
from dbb.model.names import SafeName
from dbb.model.parcel import Parcel, ParcelFile, ParcelName

log = logging.getLogger(__name__)

FILES_AT_ONCE = 5000


class Files(Protocol):
    """Remember files that are to travel."""

    def loose(self, most: int) -> list[EfdFile]:
        """Read the files that travel in no parcel that is made."""

    def assign(self, files: Sequence[EfdFile], unit: str) -> None:
        """Decide in which parcel files travel."""

    def of_unit(self, unit: str) -> list[EfdFile]:
        """Read the files of a parcel that is not made yet."""

    def seal(self, unit: str) -> None:
        """Say that a parcel is made of its files."""

    def discard(self, file: EfdFile, why: DbbError) -> None:
        """Say that a file is damaged before it travelled; it is made again."""


def seal_hours(backbone: Backbone, efd: Efd) -> list[str]:
    """Put the archive's new files into parcels; name these."""
    return seal_files(backbone, efd.cells)


def seal_files(backbone: Backbone, known: Files) -> list[str]:
    """Put the files that are new into parcels; name these. They are registered and published as all are."""
    loose = known.loose(FILES_AT_ONCE)
    groups: dict[dt.datetime, list[EfdFile]] = {}
    for file in loose:
        if not file.unit:
            groups.setdefault(file.begin, []).append(file)
    for begin, files in sorted(groups.items()):
        known.assign(files, _unit_name(begin, files))
    units = {file.unit for file in loose if file.unit}
    units |= {_unit_name(begin, files) for begin, files in groups.items()}
    sealed = [unit for unit in sorted(units) if _seal(backbone, known, unit)]
    log.info("action=efd-seal parcels=%d", len(sealed))
    return sealed


def _unit_name(begin: dt.datetime, files: Sequence[EfdFile]) -> str:
    words = "\0".join(sorted(f"{file.name}\0{file.digest.sha256}" for file in files))
    stem = hashlib.sha256(words.encode()).hexdigest()[:12]
    return str(ParcelName(Kind.FILE, DayObs.at(begin), f"efd-{begin:%Y%m%dT%H}-{stem}"))


def _seal(backbone: Backbone, files: Files, unit: str) -> bool:
    """Make one parcel of those of its files that are well."""
    archive = backbone.policy.archive
    known = backbone.ledger.deliveries([unit]).get((unit, archive))
    if known is None or known.verified_at is None:
        well = [file for file in files.of_unit(unit) if _is_well(backbone, files, file)]
        if not well:
            return False
        parcel = _parcel(unit, well)
        backbone.ledger.seal_parcel(parcel)
        manifest = f"{Kind.FILE.scope}/{parcel.name.manifest_name}"
        with backbone.archive.create(manifest) as writer:
            writer.write(parcel.data)
        arrive(backbone, unit)
    files.seal(unit)
    return True


def _is_well(backbone: Backbone, files: Files, file: EfdFile) -> bool:
    """Read a file from the disk; have it made again where it is damaged or gone."""
    stored = f"{Kind.FILE.scope}/{file.name}"
    try:
        with backbone.archive.open(stored, cold=True) as stream:
            found = digest_stream(stream)
        if not found.same_bytes(file.digest):
            url = backbone.archive.url_of(stored)
            raise DigestMismatch.for_copy(url, file.digest.sha256, found.sha256)
    except Damaged as error:
        files.discard(file, error)
        log.warning("action=efd-discard name=%s code=%s", file.name, error.code)
        return False
    return True


def _parcel(unit: str, files: Sequence[EfdFile]) -> Parcel:
    travelling = [
        ParcelFile(
            SafeName.parse(file.name),
            file.digest,
            labels={"efd_topic": file.topic, "efd_begin": file.begin.isoformat()},
        )
        for file in files
    ]
    return Parcel(
        unit=unit,
        kind=Kind.FILE,
        instrument="",
        program="",
        day_obs=ParcelName.parse(unit).day_obs.value,
        files=tuple(sorted(travelling, key=lambda file: file.name)),
        dataset_types={},
        universe={},
        records={},
    )
