"""The Large File Annex: objects of the summit's bucket, kept under their own names elsewhere.

Whoever tells of an object, an event, a query of the EFD, a listing, an operator, tells the same row. An
object that is not there yet waits, with its age; nothing is skipped. The steps are ``announced`` →
``checked`` (copied to the archive, computed, read back) → ``sealed`` (part of a parcel); then it is what
every unit is.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dbb.digests import digest_stream
from dbb.errors import (
    BrokenContract,
    Damaged,
    DbbError,
    DigestMismatch,
    LfaObjectMissing,
    MissingCopy,
)
from dbb.flows.backbone import Backbone
from dbb.flows.parcels import arrive
from dbb.model.day_obs import DayObs
from dbb.model.digest import Digest
from dbb.model.kind import Kind
from dbb.model.lfa import Announcement, LfaClass, LfaObject, classify
from dbb.model.lfn import escape_name
from dbb.model.parcel import Parcel, ParcelFile, ParcelName
from dbb.ports import READ_BYTES, Store

log = logging.getLogger(__name__)

MISSING_AFTER = dt.timedelta(hours=6)
"""How long an announced object may be absent before a person is told."""

OBJECTS_AT_ONCE = 2000
"""Objects that one run copies; the rest is the next run's."""


class LfaObjects(Protocol):
    """Remember objects."""

    def announce(self, found: Iterable[tuple[Announcement, str, bool]]) -> int:
        """Note objects with their action; those that are known stay as they are. Count the new."""

    def in_state(self, state: str, most: int) -> list[LfaObject]:
        """Read objects in one state, oldest first."""

    def by_key(self, keys: Sequence[str]) -> list[LfaObject]:
        """Read objects by key."""

    def of_day(self, day_obs: int, state: str) -> list[LfaObject]:
        """Read a day's objects; 0 is any day, an empty state any."""

    def check(self, key: str, digest: Digest) -> None:
        """Record what an object's bytes are."""

    def refuse(self, key: str, error: DbbError) -> None:
        """Record why an object is refused."""

    def wait(self, key: str, error: DbbError) -> None:
        """Record why an announced object does not go on."""

    def assign(self, keys: Sequence[str], unit: str) -> None:
        """Say which parcel objects will travel in; those that have one keep it."""

    def seal(self, unit: str) -> None:
        """Say that a parcel is made."""


@dataclass(frozen=True)
class Annex:
    """Hold what the annex needs besides the backbone.

    Parameters
    ----------
    source
        The summit's bucket.
    bucket
        Its name.
    objects
        What is known of objects.
    classes
        What becomes of them.
    """

    source: Store
    bucket: str
    objects: LfaObjects
    classes: Sequence[LfaClass]


def announce(annex: Annex, found: Iterable[Announcement]) -> int:
    """Note objects; count those that are new. One of another bucket is not ours to copy."""
    mine = [each for each in found if each.bucket == annex.bucket]
    new = annex.objects.announce((each, *classify(annex.classes, each)) for each in mine)
    if new:
        log.info("action=lfa-announce new=%d of=%d", new, len(mine))
    return new


def list_bucket(annex: Annex, day_obs: DayObs) -> int:
    """Note the objects of a day that lie in the bucket, whether or not an event told of them."""
    date = f"/{day_obs.date:%Y/%m/%d}/"
    found = (
        Announcement.of_listing(annex.bucket, file.name)
        for file in annex.source.list_files("")
        if date in file.name
    )
    return announce(annex, found)


def find_objects(annex: Annex) -> list[str]:
    """List the keys of the objects that are to be copied, oldest first."""
    return [each.key for each in annex.objects.in_state("announced", OBJECTS_AT_ONCE)]


def copy_objects(backbone: Backbone, annex: Annex, keys: Sequence[str]) -> dict[str, int]:
    """Copy objects to the archive under their own names, compute what they are, read them back.

    Returns
    -------
    dict
        How many were ``checked``, are still ``absent``, and were ``refused``.
    """
    counts = {"checked": 0, "absent": 0, "refused": 0}
    for each in annex.objects.by_key(keys):
        if each.state not in ("announced", "refused"):
            continue
        try:
            digest = _copy(backbone, annex, each)
        except MissingCopy as error:
            counts["absent"] += 1
            age = backbone.clock.now() - each.announced_at
            late = LfaObjectMissing.for_object(each.key, age) if age >= MISSING_AFTER else error
            annex.objects.wait(each.key, late)
        except (BrokenContract, Damaged) as error:
            counts["refused"] += 1
            annex.objects.refuse(each.key, error)
            log.warning("action=lfa-refuse key=%a code=%s", each.key, error.code)
        else:
            counts["checked"] += 1
            annex.objects.check(each.key, digest)
    log.info("action=lfa-copy %s", counts)
    return counts


def _copy(backbone: Backbone, annex: Annex, each: LfaObject) -> Digest:
    escape_name(each.key)
    target = f"{Kind.LFA.scope}/{each.key}"
    md5 = hashlib.md5(usedforsecurity=False)
    with annex.source.open(each.key) as reader, backbone.archive.create(target) as writer:
        while piece := reader.read(READ_BYTES):
            md5.update(piece)
            writer.write(piece)
    with annex.source.open(each.key) as stream:
        told = digest_stream(stream)
    with backbone.archive.open(target, cold=True) as stream:
        found = digest_stream(stream)
    if not found.same_bytes(told):
        raise DigestMismatch.for_copy(backbone.archive.url_of(target), told.sha256, found.sha256)
    if each.declared_bytes not in (None, found.size_bytes):
        declared = f"{each.declared_bytes} bytes"
        raise DigestMismatch.for_copy(each.key, declared, f"{found.size_bytes} bytes")
    if each.declared_md5 not in ("", md5.hexdigest()):
        raise DigestMismatch.for_copy(each.key, each.declared_md5, md5.hexdigest())
    return found


def seal_parcels(backbone: Backbone, annex: Annex) -> list[str]:
    """Put the checked objects into parcels, one for each day; name the units that can go on.

    Which object travels in which parcel is written down before the parcel is made: a run that is
    killed makes the same parcel again.
    """
    loose = [each for each in annex.objects.in_state("checked", OBJECTS_AT_ONCE) if not each.unit]
    for day_obs in sorted({each.day_obs for each in loose}):
        mine = [each for each in loose if each.day_obs == day_obs]
        annex.objects.assign([each.key for each in mine], _unit_name(backbone, day_obs, mine))
    units: dict[str, list[LfaObject]] = {}
    for each in annex.objects.in_state("checked", OBJECTS_AT_ONCE * 2):
        if each.unit:
            units.setdefault(each.unit, []).append(each)
    for unit, members in sorted(units.items()):
        _seal(backbone, unit, members)
        annex.objects.seal(unit)
    return sorted(units)


def _unit_name(backbone: Backbone, day_obs: int, members: Sequence[LfaObject]) -> str:
    day = day_obs or DayObs.at(backbone.clock.now()).value
    words = "\0".join(sorted(f"{each.key}\0{each.sha256}" for each in members))
    stem = hashlib.sha256(words.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return str(ParcelName(Kind.LFA, DayObs(day), f"objects-{stem}"))


def _seal(backbone: Backbone, unit: str, members: Sequence[LfaObject]) -> None:
    name = ParcelName.parse(unit)
    files = [
        ParcelFile(
            escape_name(each.key),
            Digest(each.size_bytes or 0, each.sha256, each.adler32, each.crc32c),
            labels={"lfa_csc": each.csc, "lfa_generator": each.generator},
        )
        for each in members
    ]
    parcel = Parcel(
        unit=unit,
        kind=Kind.LFA,
        instrument="",
        program="",
        day_obs=name.day_obs.value,
        files=tuple(sorted(files, key=lambda file: file.name)),
    )
    backbone.ledger.seal_parcel(parcel)
    with backbone.archive.create(f"{Kind.LFA.scope}/{name.manifest_name}") as writer:
        writer.write(parcel.data)
    arrive(backbone, unit)


def open_units(backbone: Backbone) -> list[str]:
    """List the parcels of the annex that the archive has not published yet."""
    prefix = f"{Kind.LFA.scope}/"
    archive = backbone.policy.archive
    deliveries = backbone.ledger.open_deliveries(archive)
    return [each.unit for each in deliveries if each.unit.startswith(prefix)]
