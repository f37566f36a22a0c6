"""Making parcels of the annex's objects, one for each day and instrument; from then on they are units.

Which object travels in which parcel is written down before the parcel is made: a run that is killed
makes the same parcel again. Each object's copy is read once more from the disk before the parcel is
made: one that has rotted meanwhile is copied again and costs nobody else.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dbb.digests import digest_stream
from dbb.errors import Damaged, DigestMismatch, LfaNotIngested
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import read_document
from dbb.flows.lfa import Annex
from dbb.flows.lfa_copying import OBJECTS_AT_ONCE, stored_as
from dbb.flows.lfa_refusing import refuse_object
from dbb.model import strict_json
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.digest import Digest
from dbb.model.kind import Kind
from dbb.model.lfa import LfaObject
from dbb.model.lfa_classes import INGEST, LfaDataset, class_of
from dbb.model.lfn import escape_name
from dbb.model.parcel import Parcel, ParcelFile, ParcelName
from dbb.model.sidecar import Sidecars

log = logging.getLogger(__name__)


def seal_parcels(backbone: Backbone, annex: Annex) -> list[str]:
    """Put the checked objects into parcels; name the units that can go on."""
    groups: dict[tuple[int, str], list[LfaObject]] = {}
    for each in annex.objects.loose(OBJECTS_AT_ONCE):
        groups.setdefault((each.day_obs, _instrument_of(annex, each)), []).append(each)
    for (day_obs, instrument), mine in sorted(groups.items()):
        unit = _unit_name(backbone, day_obs, instrument, mine)
        annex.objects.assign([each.key for each in mine], unit)
    return [unit for unit in annex.objects.units_to_seal() if _try_to_seal(backbone, annex, unit)]


def open_units(backbone: Backbone) -> list[str]:
    """List the parcels of the annex that the archive has not published yet."""
    prefix = f"{Kind.LFA.scope}/"
    archive = backbone.policy.archive
    deliveries = backbone.ledger.open_deliveries(archive)
    return [each.unit for each in deliveries if each.unit.startswith(prefix)]


def _dataset_of(annex: Annex, each: LfaObject) -> LfaDataset | None:
    known = class_of(annex.classes, each)
    return annex.datasets.get(known.dataset) if known and known.action == INGEST else None


def _instrument_of(annex: Annex, each: LfaObject) -> str:
    """Name the instrument of an object that Butler serves; nothing for any other."""
    dataset = _dataset_of(annex, each)
    try:
        return dataset.place_of(each.key).instrument if dataset else ""
    except LfaNotIngested:
        return ""  # it travels with the others; sealing says why


def _unit_name(
    backbone: Backbone, day_obs: int, instrument: str, members: Sequence[LfaObject]
) -> str:
    day = day_obs or DayObs.at(backbone.clock.now()).value
    words = "\0".join(sorted(f"{each.key}\0{each.sha256}" for each in members))
    stem = hashlib.sha256(words.encode()).hexdigest()[:12]
    return str(ParcelName(Kind.LFA, DayObs(day), f"{instrument or 'objects'}-{stem}"))


def _try_to_seal(backbone: Backbone, annex: Annex, unit: str) -> bool:
    """Make one parcel; one whose manifest cannot be read back is made again by the next run."""
    try:
        return _seal(backbone, annex, unit)
    except Damaged as error:
        log.warning("action=lfa-seal unit=%s code=%s", unit, error.code)
        return False


def _seal(backbone: Backbone, annex: Annex, unit: str) -> bool:
    """Make one parcel of those of its objects whose copy is well."""
    archive = backbone.policy.archive
    known = backbone.ledger.deliveries([unit]).get((unit, archive))
    if known is None or known.verified_at is None:
        members = [each for each in annex.objects.of_unit(unit) if _is_well(backbone, annex, each)]
        if not members:
            return False
        parcel = _parcel(backbone, annex, unit, members)
        backbone.ledger.seal_parcel(parcel)
        manifest = f"{Kind.LFA.scope}/{parcel.name.manifest_name}"
        with backbone.archive.create(manifest) as writer:
            writer.write(parcel.data)
        backbone.ledger.expect([unit], archive, "made of objects at the archive")
        backbone.ledger.advance(
            [unit], archive, State.EXPECTED, State.ARRIVED, "objects copied to their places"
        )
        read_document(backbone, backbone.ledger.units([unit])[unit], archive, cold=True)
        backbone.ledger.advance(
            [unit], archive, State.ARRIVED, State.VERIFIED, "each object read back at the archive"
        )
    annex.objects.seal(unit)
    return True


def _is_well(backbone: Backbone, annex: Annex, each: LfaObject) -> bool:
    """Read an object's copy from the disk; have it copied again where it is damaged."""
    try:
        with backbone.archive.open(stored_as(each.key), cold=True) as stream:
            found = digest_stream(stream)
        if not found.same_bytes(_digest(each)):
            url = backbone.archive.url_of(stored_as(each.key))
            raise DigestMismatch.for_copy(url, each.sha256, found.sha256)
    except Damaged as error:
        annex.objects.send_back(each.key, error)
        log.warning("action=lfa-send-back key=%a code=%s", each.key, error.code)
        return False
    return True


def _digest(each: LfaObject) -> Digest:
    return Digest(each.size_bytes or 0, each.sha256, each.adler32, each.crc32c)


def _parcel(backbone: Backbone, annex: Annex, unit: str, members: Sequence[LfaObject]) -> Parcel:
    told = _Datasets()
    for each in members:
        _describe(backbone, annex, each, told)
    files = [
        ParcelFile(
            escape_name(each.key),
            _digest(each),
            told.refs.get(each.key, ()),
            told.formatters.get(each.key, ""),
            labels={"lfa_csc": each.csc, "lfa_generator": each.generator},
        )
        for each in members
    ]
    return Parcel(
        unit=unit,
        kind=Kind.LFA,
        instrument=told.instruments.pop() if len(told.instruments) == 1 else "",
        program="",
        day_obs=ParcelName.parse(unit).day_obs.value,
        files=tuple(sorted(files, key=lambda file: file.name)),
        dataset_types=told.types,
        universe=told.universe,
        records={element: list(rows.values()) for element, rows in told.records.items()},
    )


@dataclass
class _Datasets:
    """Gather what Butler needs to know of the objects of one parcel."""

    refs: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    formatters: dict[str, str] = field(default_factory=dict)
    types: dict[str, dict[str, Any]] = field(default_factory=dict)
    universe: dict[str, Any] = field(default_factory=dict)
    records: dict[str, dict[bytes, dict[str, Any]]] = field(default_factory=dict)
    instruments: set[str] = field(default_factory=set)

    def add(self, key: str, told: Sidecars) -> None:
        self.refs[key] = told.files[key].refs
        self.formatters[key] = told.files[key].formatter
        self.types |= told.dataset_types
        self.universe = told.universe
        self.instruments.add(told.instrument)
        for element, rows in told.records.items():
            known = self.records.setdefault(element, {})
            for row in rows:
                known.setdefault(strict_json.canonical(row), row)


def _describe(backbone: Backbone, annex: Annex, each: LfaObject, told: _Datasets) -> None:
    """Say which Butler dataset an object is; one that does not tell travels without being one."""
    dataset = _dataset_of(annex, each)
    if dataset is None:
        return
    try:
        found = annex.describe(backbone.archive, stored_as(each.key), each.key, dataset)
        (ref,) = found.files[each.key].refs
        holder = annex.objects.holders([ref["id"]]).get(ref["id"], each.key)
        if holder != each.key:
            raise LfaNotIngested.for_object(each.key, f"{holder} has the same data ID")
    except LfaNotIngested as error:
        refuse_object(backbone, each, error, what=each.sha256)
        annex.objects.note_dataset(each.key, "", error)
    else:
        told.add(each.key, found)
        annex.objects.note_dataset(each.key, str(ref["id"]), None)
