"""From a complete group of exposures to calibrations that are in force at the archive.

The products travel as a parcel. Its files say into which collection they are certified and from when
on, so that every endpoint that publishes the parcel certifies the same, at the moment of publishing.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from dbb.errors import (
    BrokenContract,
    CalibrationProductRefused,
    Damaged,
    DbbError,
    PayloadFailed,
    PayloadOutOfTime,
    UnknownItem,
)
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import Cargo, stored_name
from dbb.flows.manifests import read_manifest
from dbb.flows.parcels import INCOMING, READY, take_parcels
from dbb.flows.publishing import publish_units
from dbb.flows.refusing import refuse_unit
from dbb.flows.registration import register_units
from dbb.model import strict_json
from dbb.model.calibration import (
    SUPERSEDED,
    Attempt,
    AttemptState,
    CalibrationGroup,
    Certification,
    Step,
    Validity,
    certify,
    chain_of,
    collection_of,
    in_force,
    run_of,
    unit_of,
)
from dbb.model.delivery import State
from dbb.model.payload import CalibrationKind, Payload, PayloadInput, PayloadOrder, Product
from dbb.ports import READ_BYTES, ProductRow

log = logging.getLogger(__name__)

PROVENANCE = "provenance.json"
STORAGE_CLASS = "FitsHDUList"
FORMATTER = "dbb.hooks.butler_formatter.FitsFileFormatter"
_INPUTS = "inputs"
_NAMESPACE = uuid.UUID("6f6b1e0e-58b1-4c0c-8f0e-2b9b8d0c6f11")
_APPLIED = {
    CalibrationKind.BIAS: (),
    CalibrationKind.DARK: ("bias",),
    CalibrationKind.FLAT: ("bias", "dark"),
}


class Judge(Protocol):
    """Judge what goes into a payload and what comes out."""

    def check_inputs(self, order: PayloadOrder, detectors: Sequence[int]) -> object:
        """Refuse images of which no calibration is made."""

    def check_products(
        self,
        order: PayloadOrder,
        products: Sequence[Product],
        detectors: Sequence[int],
        in_force: Sequence[PayloadInput] = (),
    ) -> object:
        """Refuse calibrations that are not to be put in force."""


@dataclass(frozen=True)
class Workshop:
    """Hold what makes calibrations.

    Parameters
    ----------
    payload, parameters
        What combines the images, and how.
    judge
        Judges inputs and products.
    scratch
        A folder for what is being made; it may be lost at any time.
    """

    payload: Payload
    judge: Judge
    scratch: Path
    parameters: Mapping[str, str | int | float] = field(default_factory=dict, hash=False)


def make_calibrations(
    backbone: Backbone, workshop: Workshop, group_name: str, campaign: str
) -> str:
    """Make the calibrations of a group, and lay them down at the archive; give the attempt's unit.

    It may be called again after a crash: what is done is not done again.

    Raises
    ------
    BrokenContract
        If images, payload or products are refused; what was in force stays in force.
    """
    group = group_of(backbone, group_name)
    attempt = _begin(backbone, workshop, group, campaign)
    if _is_laid_down(backbone, attempt):
        return attempt.unit
    folder = workshop.scratch / hashlib.sha256(attempt.unit.encode()).hexdigest()[:16]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    left = folder
    try:
        _make(backbone, workshop, group, attempt, folder)
    except DbbError as error:
        if isinstance(error, BrokenContract | Damaged):
            backbone.calibrations.refuse(attempt.unit, error.code, error.message)
            refuse_unit(backbone, attempt.unit, group.day_obs, backbone.policy.archive, error)
        if isinstance(error, PayloadFailed | PayloadOutOfTime):
            left = folder / _INPUTS  # the rest is the program's log, which the error names
        raise
    finally:
        shutil.rmtree(left, ignore_errors=True)
    return attempt.unit


def group_of(backbone: Backbone, name: str) -> CalibrationGroup:
    """Read a group by its name.

    Raises
    ------
    UnknownItem
        If there is none.
    """
    for group in backbone.calibrations.groups():
        if group.name == name:
            return group
    raise UnknownItem.for_name("calibration group", name)


def _begin(
    backbone: Backbone, workshop: Workshop, group: CalibrationGroup, campaign: str
) -> Attempt:
    """Take up the attempt with this payload that is not over, or begin one.

    One that was begun with another payload is given up; what is filed goes its way.
    """
    known = [
        each for each in backbone.calibrations.attempts(group.name) if each.campaign == campaign
    ]
    mine = (workshop.payload.name, workshop.payload.version, dict(workshop.parameters))
    for each in known:
        same = (each.payload, each.version, dict(each.parameters)) == mine
        if same and each.state in (AttemptState.BEGUN, AttemptState.FILED):
            return each
    for each in known:
        if each.state is AttemptState.BEGUN:
            why = f"{workshop.payload.name} {workshop.payload.version} was chosen instead"
            backbone.calibrations.refuse(each.unit, SUPERSEDED, why)
    number = len(known) + 1
    now = backbone.clock.now()
    attempt = Attempt(
        unit=unit_of(group, campaign, number),
        group=group.name,
        campaign=campaign,
        number=number,
        payload=workshop.payload.name,
        version=workshop.payload.version,
        run=run_of(group, campaign, number),
        state=AttemptState.BEGUN,
        accepted=False,
        code="",
        reason="",
        begun_at=now,
        parameters=dict(workshop.parameters),
    )
    backbone.calibrations.note_attempt(attempt)
    backbone.calibrations.note_step(attempt.unit, Step.WAIT, min(group.ended_at, now), now)
    return attempt


def _is_laid_down(backbone: Backbone, attempt: Attempt) -> bool:
    """Say whether the products are ready to be taken, or were taken."""
    if (attempt.unit, backbone.policy.archive) in backbone.ledger.deliveries([attempt.unit]):
        return True
    return backbone.archive.stat(f"{INCOMING}/{attempt.unit}/{READY}") is not None


def _make(
    backbone: Backbone,
    workshop: Workshop,
    group: CalibrationGroup,
    attempt: Attempt,
    folder: Path,
) -> None:
    began = backbone.clock.now()
    copies = folder / _INPUTS
    copies.mkdir()
    inputs = _Inputs(backbone, group, copies)
    raws = list(inputs.raws())
    applied = [each for kind in _APPLIED[group.kind] for each in inputs.in_force(kind, attempt)]
    before = list(inputs.in_force(str(group.kind), attempt))
    products_folder = folder / "products"
    products_folder.mkdir()
    order = PayloadOrder(
        kind=group.kind,
        instrument=group.instrument,
        physical_filter=group.physical_filter,
        inputs=(*raws, *applied),
        folder=products_folder,
        parameters=dict(workshop.parameters),
    )
    detectors = sorted(inputs.expected)
    workshop.judge.check_inputs(order, detectors)
    gathered = backbone.clock.now()
    backbone.calibrations.note_step(attempt.unit, Step.GATHER, began, gathered)
    products = workshop.payload.run(order)
    workshop.judge.check_products(order, products, detectors, before)
    made = backbone.clock.now()
    backbone.calibrations.note_step(attempt.unit, Step.PROCESS, gathered, made)
    _file(backbone, group, attempt, order, products, inputs.universe)
    backbone.calibrations.note_step(attempt.unit, Step.INGEST, made, None)


class _Inputs:
    """Pin what goes into an attempt by UUID and sha256."""

    def __init__(self, backbone: Backbone, group: CalibrationGroup, folder: Path) -> None:
        self._backbone = backbone
        self._group = group
        self._folder = folder
        self.expected: set[int] = set()
        self.universe: dict[str, Any] = {}

    def raws(self) -> Iterator[PayloadInput]:
        """Pin the raw images, by the manifests that the archive holds."""
        archive = self._backbone.policy.archive
        by_name = self._backbone.instruments[self._group.instrument].by_name
        rows = self._backbone.ledger.units(self._group.units)
        for unit in self._group.units:
            document = read_manifest(self._backbone, rows[unit], archive)
            self.universe = document.universe
            missing = [by_name[name] for name in document.missing]
            self.expected |= {each.id for each in missing if each.dataset_type == "raw"}
            (bundle,) = Cargo(rows[unit], document).contents
            path = self._path(self._backbone.archive.url_of(stored_name(bundle.did)), bundle.did)
            for entry in document.images:
                if entry.ref is None or entry.ref["dataset_type"] != "raw":
                    continue
                data_id = entry.ref["data_id"]
                self.expected.add(data_id["detector"])
                yield PayloadInput(
                    entry.ref["id"], entry.digest.sha256, path, entry.name,
                    data_id["detector"], data_id["exposure"],
                )  # fmt: skip

    def in_force(self, kind: str, attempt: Attempt) -> Iterator[PayloadInput]:
        """Pin the calibrations that are in force when the group begins."""
        repository = self._backbone.repository(self._backbone.policy.archive)
        collection = collection_of(self._group.instrument, attempt.campaign)
        begin = self._group.begin_tai.isoformat()
        found = [
            each
            for each in in_force(repository.validities(collection), begin)
            if each.dataset_type == kind
            and dict(each.data_id).get("physical_filter", "") in ("", self._group.physical_filter)
        ]
        ids = [each.dataset_id for each in found]
        digests = self._backbone.calibrations.digests(ids)
        urls = repository.locate(ids)
        for each in found:
            if each.dataset_id in digests and each.dataset_id in urls:
                detector = int(dict(each.data_id)["detector"])
                path = self._path(urls[each.dataset_id], each.dataset_id)
                yield PayloadInput(
                    each.dataset_id, digests[each.dataset_id], path, "", detector, kind=kind
                )

    def _path(self, url: str, name: object) -> Path:
        """Give a local path: the store's own, or that of a copy."""
        parts = urlsplit(url)
        if parts.scheme in ("", "file"):
            return Path(unquote(parts.path))
        copy = self._folder / hashlib.sha256(str(name).encode()).hexdigest()[:24]
        source = url.removeprefix(f"{self._backbone.archive.url}/")
        with self._backbone.archive.open(source) as reader, copy.open("wb") as writer:
            shutil.copyfileobj(reader, writer, READ_BYTES)
        return copy


def _file(
    backbone: Backbone,
    group: CalibrationGroup,
    attempt: Attempt,
    order: PayloadOrder,
    products: Sequence[Product],
    universe: Mapping[str, Any],
) -> None:
    """Lay the products down as a parcel, with their provenance; record both first."""
    accepted = backbone.calibrations.accept(attempt.unit)
    pinned = {given.dataset_id: given for given in order.inputs}
    rows = list(_rows(attempt, order, products, pinned))
    if accepted:
        _check_validity(backbone, group, attempt, rows)
    place = f"{INCOMING}/{attempt.unit}/"
    backbone.archive.delete([file.name for file in backbone.archive.list_files(place)])
    for product in products:
        with (
            (order.folder / product.file).open("rb") as reader,
            backbone.archive.create(place + product.file) as writer,
        ):
            while piece := reader.read(READ_BYTES):
                writer.write(piece)
    documents = {
        PROVENANCE: _provenance(group, attempt, products, rows),
        "manifest.json": _manifest(group, attempt, rows, universe, accepted=accepted),
    }
    for name, document in documents.items():
        with backbone.archive.create(place + name) as writer:
            writer.write(strict_json.canonical(document))
    backbone.calibrations.file(attempt.unit, rows)
    with backbone.archive.create(place + READY):
        pass


def _check_validity(
    backbone: Backbone, group: CalibrationGroup, attempt: Attempt, rows: Sequence[ProductRow]
) -> None:
    """Refuse what could not be put in force, before anything of it is laid down."""
    collection = collection_of(group.instrument, attempt.campaign)
    filters = [("physical_filter", group.physical_filter)] if group.physical_filter else []
    wanted = [
        Validity(
            str(group.kind),
            tuple(
                sorted(
                    [("instrument", group.instrument), ("detector", str(row.detector)), *filters]
                )
            ),
            group.begin_tai.isoformat(),
            "",
            row.dataset_id,
        )
        for row in rows
    ]
    certify(backbone.repository(backbone.policy.archive).validities(collection), wanted)


def _rows(
    attempt: Attempt,
    order: PayloadOrder,
    products: Iterable[Product],
    pinned: Mapping[str, PayloadInput],
) -> Iterator[ProductRow]:
    for product in products:
        with (order.folder / product.file).open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        unknown = sorted(set(product.inputs) - set(pinned))
        if unknown:
            raise CalibrationProductRefused.for_group(
                attempt.group, f"detector {product.detector} names input {unknown[0]}, not ordered"
            )
        used = tuple((key, pinned[key].sha256, pinned[key].kind) for key in sorted(product.inputs))
        name = f"{attempt.run}:{order.kind}:{product.detector}:{order.physical_filter}"
        dataset_id = str(uuid.uuid5(_NAMESPACE, name))
        yield ProductRow(dataset_id, product.detector, product.file, sha256, used)


def _provenance(
    group: CalibrationGroup,
    attempt: Attempt,
    products: Sequence[Product],
    rows: Sequence[ProductRow],
) -> dict[str, Any]:
    """Say what was made of what; it travels with the products."""
    inputs = {key: [sha256, kind] for row in rows for key, sha256, kind in row.inputs}
    return {
        "schema": "dbb-calibration-provenance/1",
        "group": group.name,
        "exposures": list(group.units),
        "part": group.part,
        "parts": group.parts,
        "campaign": attempt.campaign,
        "run": attempt.run,
        "payload": attempt.payload,
        "version": attempt.version,
        "parameters": dict(attempt.parameters),
        "valid_from_tai": group.begin_tai.isoformat(),
        "inputs": inputs,
        "products": [
            {
                "dataset_id": row.dataset_id,
                "detector": row.detector,
                "file": row.name,
                "sha256": row.sha256,
                "inputs": [key for key, _, _ in row.inputs],
                "statistics": {key: repr(float(n)) for key, n in product.statistics.items()},
            }
            for row, product in zip(rows, products, strict=True)
        ],
    }


def _manifest(
    group: CalibrationGroup,
    attempt: Attempt,
    rows: Sequence[ProductRow],
    universe: Mapping[str, Any],
    *,
    accepted: bool,
) -> dict[str, Any]:
    """Say what Butler shall know of the products, and from when on they are in force."""
    certification = Certification(
        collection_of(group.instrument, attempt.campaign),
        chain_of(group.instrument),
        group.begin_tai,
    )
    labels = certification.labels if accepted else {}
    dimensions = ["instrument", "detector"]
    data_id: dict[str, Any] = {"instrument": group.instrument}
    if group.physical_filter:
        dimensions.append("physical_filter")
        data_id["physical_filter"] = group.physical_filter
    files: dict[str, Any] = {PROVENANCE: {}}
    for row in rows:
        ref = {
            "id": row.dataset_id,
            "dataset_type": str(group.kind),
            "run": attempt.run,
            "data_id": {**data_id, "detector": row.detector},
        }
        files[row.name] = {
            "refs": [ref], "formatter": FORMATTER, "sha256": row.sha256, "labels": labels,
        }  # fmt: skip
    told = {"dimensions": dimensions, "storage_class": STORAGE_CLASS, "is_calibration": True}
    return {
        "files": files,
        "dataset_types": {str(group.kind): told},
        "universe": dict(universe),
        "records": [],
        "instrument": group.instrument,
        "program": "calibration",
    }


def bring_in(backbone: Backbone, units: Sequence[str]) -> dict[str, int]:
    """Take, register and publish what was laid down; from then on it is in force at the archive.

    Raises
    ------
    CalibrationProductRefused
        If the archive's Butler refuses it, for example because the validity overlaps.
    """
    archive = backbone.policy.archive
    take_parcels(backbone, units)
    register_units(backbone, units)
    counts = publish_units(backbone, units, archive)
    now = backbone.clock.now()
    for unit in units:
        delivery = backbone.ledger.deliveries([unit]).get((unit, archive))
        if delivery is not None and delivery.state is State.PUBLISHED:
            backbone.calibrations.note_step(unit, Step.INGEST, now, now)
        elif delivery is None or delivery.state is State.QUARANTINED:
            held = [item for item in backbone.ledger.refusals(unit=unit) if not item.name]
            code = held[-1].code if held else CalibrationProductRefused.code
            reason = held[-1].reason if held else "the archive does not take it"
            backbone.calibrations.refuse(unit, code, reason)
            raise CalibrationProductRefused.for_group(unit, f"{code}: {reason}")
    return counts
