"""Pinning an export: each wanted dataset is traced to a unit that the endpoint serves, and to its manifest.

Nothing goes out but what is published and was verified there (the view ``available``). What is wanted and is not
is named: never left out in silence.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO
from urllib.parse import unquote

from dbb.errors import Damaged, DbbError, UnsafeName
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import read_document, stored_name, verify_file
from dbb.flows.export_ports import ExportPorts, Selection, Work
from dbb.flows.export_since import is_new
from dbb.model.delivery import State
from dbb.model.digest import Digest
from dbb.model.export import ExportOrder, Pinned, Unavailable, Wanted
from dbb.model.exposure import Unit
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.names import Did, SafeName
from dbb.model.parcel import Parcel, ParcelName
from dbb.ports.ledger import UnitRow
from dbb.ports.store import READ_BYTES

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 1000
FILES = "data/files"
ANNEX = f"{Kind.LFA.scope}/"
RAW_TYPES = {"raw", "guider_raw"}

_NOT_SERVED = (State.VERIFIED, State.REGISTERED, State.MISSING, State.SUSPECT)
"""States of units that an endpoint has, or ought to have, and does not serve now."""


def pin(
    backbone: Backbone, ports: ExportPorts, selection: Selection, work: Work, order: ExportOrder
) -> None:
    """Select and pin everything, once: a second call changes nothing, whatever was published since."""
    if work.read("pinned_at") is not None:
        return
    work.restart()
    _select(backbone, ports, selection, work, order)
    for units in _pieces(work.units()):
        _pin_units(backbone, work, order.endpoint, units)
    work.note("unserved", unserved(backbone, order))
    work.note("universe", selection.universe())
    work.note("pinned_at", backbone.clock.now().isoformat(timespec="seconds"))
    log.info("action=pin-export name=%s datasets=%d files=%d bytes=%d", order.name, *work.totals())


def unserved(backbone: Backbone, order: ExportOrder) -> list[str]:
    """Name the units of the kinds asked for that the endpoint ought to serve and does not.

    Their datasets are out of its registry, so that nobody can tell whether the order would want them.
    """
    # The annex has images of type raw, too.
    scopes = {Kind.RAW, Kind.LFA} if set(order.dataset_types) <= RAW_TYPES else set(Kind)
    if not set(order.dataset_types) & RAW_TYPES:
        scopes -= {Kind.RAW}
    found = [
        delivery.unit
        for delivery in backbone.ledger.open_deliveries(order.endpoint)
        if delivery.state in _NOT_SERVED
    ]
    return sorted(
        row.unit for row in backbone.ledger.units(found).values() if Kind(row.kind) in scopes
    )


def _select(
    backbone: Backbone, ports: ExportPorts, selection: Selection, work: Work, order: ExportOrder
) -> None:
    root = f"{backbone.store(order.endpoint).url}/"
    found = selection.select(order)
    while piece := list(itertools.islice(found, ROWS_AT_ONCE)):
        refused = [each for each in piece if isinstance(each, Unavailable)]
        wanted = []
        places = [_place_of(each.url, root) for each in piece if isinstance(each, Wanted)]
        objects = ports.units_of_objects(
            [place.removeprefix(ANNEX) for place in places if place.startswith(ANNEX)]
        )
        for each in piece:
            if isinstance(each, Wanted):
                unit = _unit_of(_place_of(each.url, root), objects)
                if unit:
                    wanted.append((unit, each))
                else:
                    why = (
                        "its file is none of the backbone's" if each.url else "it has no file there"
                    )
                    refused.append(Unavailable(_name(each), why))
        work.want(is_new(ports.rows, work, order, wanted))
        work.refuse(refused)


def _place_of(url: str, root: str) -> str:
    """Give the name of a dataset's file in the store; empty where it lies elsewhere."""
    return unquote(url.removeprefix(root).partition("#")[0]) if url.startswith(root) else ""


def _unit_of(name: str, objects: Mapping[str, str]) -> str:
    """Name the unit that a stored file belongs to; empty for none.

    Objects of the annex have names of their own: the ledger knows their units.
    """
    if name.startswith(ANNEX):
        return objects.get(name.removeprefix(ANNEX), "")
    scope, *rest = name.split("/")
    try:
        if scope == Kind.RAW.scope and name.endswith(".zip") and len(rest) == 4:
            unit = Unit.parse(f"{rest[0]}/{rest[1]}/{rest[3].removesuffix('.zip')}")
            return str(unit) if f"{scope}/{unit.bundle_name}" == name else ""
        return str(ParcelName.parse("/".join((scope, *rest[:2]))))
    except DbbError:
        return ""


def _name(wanted: Wanted) -> str:
    data_id = " ".join(f"{key}={value}" for key, value in sorted(wanted.data_id.items()))
    return f"{wanted.dataset_id} {wanted.dataset_type} {data_id}"


def _pin_units(backbone: Backbone, work: Work, endpoint: str, units: Sequence[str]) -> None:
    rows = backbone.ledger.units(units)
    deliveries = backbone.ledger.deliveries(units)
    for unit in units:
        delivery = deliveries.get((unit, endpoint))
        wanted = work.wanted_of(unit)
        if unit not in rows or delivery is None or delivery.state is not State.PUBLISHED:
            state = (
                "unknown to the ledger" if delivery is None else f"{delivery.state} at {endpoint}"
            )
            work.refuse(Unavailable(_name(each), f"unit {unit} is {state}") for each in wanted)
            continue
        try:
            pinned, refused = _Unit(backbone, rows[unit], endpoint).pin(wanted)
        except (Damaged, zipfile.BadZipFile) as error:
            work.refuse(Unavailable(_name(each), f"unit {unit}: {error}") for each in wanted)
            continue
        for each in pinned:
            if work.takes(each.path, each.dataset_id):
                refused.append(
                    Unavailable(each.dataset_id, f"{each.path}: another name in capitals")
                )
            else:
                work.pin([each])
        work.refuse(refused)


@dataclass(frozen=True)
class _Place:
    """Hold what a manifest says of one dataset: what it is, and where its bytes are."""

    told: Mapping[str, object]
    digest: Digest | None
    stored_name: str
    member: str
    path: str


class _Unit:
    """Pin the wanted datasets of one unit by its manifest."""

    def __init__(self, backbone: Backbone, row: UnitRow, endpoint: str) -> None:
        self._backbone, self._row, self._endpoint = backbone, row, endpoint
        self._document = read_document(backbone, row, endpoint)
        self._zips: dict[str, dict[str, tuple[int, str]]] = {}

    def pin(self, wanted: Sequence[Wanted]) -> tuple[list[Pinned], list[Unavailable]]:
        places = {str(place.told["id"]): place for place in self._places()}
        pinned, refused = [], []
        for each in wanted:
            place = places.get(each.dataset_id)
            why = "" if place is not None else f"the manifest of {self._row.unit} does not have it"
            if place is not None and (place.told["dataset_type"], place.told["run"]) != (
                each.dataset_type, each.run,
            ):  # fmt: skip
                why = f"the manifest of {self._row.unit} has it as something else"
            if place is not None and not why:
                try:
                    pinned.append(self._pin(each, place))
                except UnsafeName as error:
                    why = error.message
            if why:
                refused.append(Unavailable(_name(each), why))
        return pinned, refused

    def _places(self) -> Iterator[_Place]:
        if isinstance(self._document, Manifest):
            bundle = Did(self._document.scope, self._document.unit.bundle_name)
            for entry in self._document.images:
                path = f"{FILES}/{self._document.scope}/{self._document.unit}/{entry.name}"
                yield _Place(
                    entry.ref or {}, entry.digest, stored_name(bundle), str(entry.name), path
                )
            return
        for file in self._document.files:
            where = stored_name(Did(self._document.scope, file.name))
            for ref in file.refs:
                member = str(ref.get("member", ""))
                path = f"{FILES}/{self._document.scope}/{file.name}"
                path += f"/{member}" if member else ""
                yield _Place(ref, None if member else file.digest, where, member, path)

    def _pin(self, wanted: Wanted, place: _Place) -> Pinned:
        size, sha256 = (
            (place.digest.size_bytes, place.digest.sha256)
            if place.digest is not None
            else self._read_member(place)
        )
        return Pinned(
            wanted.dataset_id, wanted.dataset_type, wanted.run, dict(wanted.data_id),
            str(SafeName.parse(place.path)), size, sha256, self._row.unit,
            self._row.manifest_sha256, place.stored_name, place.member,
        )  # fmt: skip

    def _read_member(self, place: _Place) -> tuple[int, str]:
        """Sum up a member of a producer's zip, of which the manifest knows only the whole."""
        members = self._members(place.stored_name)
        if place.member not in members:
            raise UnsafeName.for_name(place.member, "the zip has no such member")
        return members[place.member]

    def _members(self, name: str) -> dict[str, tuple[int, str]]:
        known = self._zips
        if name not in known:
            assert isinstance(self._document, Parcel)  # noqa: S101 - a bundle's members are in its manifest
            (file,) = (
                each
                for each in self._document.files
                if stored_name(Did(self._document.scope, each.name)) == name
            )
            did = Did(self._document.scope, file.name)
            verify_file(self._backbone, did, file.digest, self._endpoint)
            known[name] = {}
            with (
                self._backbone.store(self._endpoint).open(name) as stream,
                zipfile.ZipFile(stream) as archive,
            ):
                for info in archive.infolist():
                    with archive.open(info) as member:
                        known[name][info.filename] = _sum_up(member)
        return known[name]


def _sum_up(stream: IO[bytes]) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(READ_BYTES):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def _pieces(names: Iterator[str]) -> Iterator[list[str]]:
    while piece := list(itertools.islice(names, ROWS_AT_ONCE)):
        yield piece
