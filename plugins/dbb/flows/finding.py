"""Finding units by what a person types: an exposure, a unit, a file's identifier or a night."""

from __future__ import annotations

import re

from dbb.errors import BadDayObs, UnknownItem, UnsafeName
from dbb.flows.backbone import Backbone
from dbb.model.day_obs import DayObs
from dbb.model.exposure import ObsId, Unit
from dbb.model.kind import Kind
from dbb.model.names import Did
from dbb.model.parcel import ParcelName
from dbb.ports.ledger import UnitRow

PARTS_AT_ONCE = 16
"""Parts of an exposure that are asked for in one query; more than one is rare."""


def find_units(backbone: Backbone, text: str) -> list[UnitRow]:
    """Find the units of an exposure, in the order of their parts.

    Parameters
    ----------
    backbone
        The ports.
    text
        ``MC_O_20261121_000123``, a unit, or the ``scope:name`` of a bundle, manifest or Rucio
        dataset. A unit with a part, or a file of one, names this part only.

    Raises
    ------
    UnsafeName, BadDayObs
        If it is none of these.
    UnknownItem
        If the ledger does not know it.
    """
    unit, is_exact = parse_unit(backbone, text)
    rows = _exactly(backbone, unit) if is_exact else _parts(backbone, unit)
    if not rows:
        raise UnknownItem.for_name("exposure", text)
    return rows


def find_anything(backbone: Backbone, text: str) -> tuple[Unit | None, list[UnitRow]]:
    """Find an exposure or a parcel by whatever names it, or a file of it.

    Returns
    -------
    tuple
        The exposure (None for a parcel), and its units; none where the ledger does not know the
        exposure yet.

    Raises
    ------
    UnsafeName, BadDayObs
        If it can be neither.
    UnknownItem
        If the ledger does not know the parcel.
    """
    scope = re.split("[:/]", text, maxsplit=1)[0]
    if scope not in {kind.scope for kind in Kind} - {Kind.RAW.scope}:
        unit, _ = parse_unit(backbone, text)
        try:
            return unit, find_units(backbone, text)
        except UnknownItem:
            return unit, []
    name = _parcel_of_did(backbone, Did.parse(text)) if ":" in text else str(ParcelName.parse(text))
    rows = list(backbone.ledger.units([name]).values())
    if not rows:
        raise UnknownItem.for_name("parcel", text)
    return None, rows


def _parcel_of_did(backbone: Backbone, did: Did) -> str:
    if did.name.startswith("Dataset/"):
        return did.name.removeprefix("Dataset/")
    found = backbone.catalog.datasets_of(did)
    if not found:
        raise UnknownItem.for_name("file", str(did))
    return found[0].name.removeprefix("Dataset/")


def find_night_or_units(backbone: Backbone, text: str) -> list[UnitRow]:
    """Find the units of a night, ``20261121``, or of an exposure."""
    try:
        day_obs = DayObs.parse(text)
    except BadDayObs:
        return find_units(backbone, text)
    rows = [
        row
        for instrument in sorted(backbone.instruments)
        for row in backbone.ledger.units_of_night(instrument, day_obs.value)
    ]
    if not rows:
        raise UnknownItem.for_name("exposure of night", text)
    return rows


def parse_unit(backbone: Backbone, text: str) -> tuple[Unit, bool]:
    """Read what a person types as a unit; say whether it names one part and no other.

    Raises
    ------
    UnsafeName, BadDayObs
        If it can be no exposure of any instrument.
    """
    if ":" in text:
        return _of_did(backbone, Did.parse(text))
    if "/" in text:
        unit = Unit.parse(text)
        return unit, unit.stem != str(unit.obs_id)
    name, _, part = text.partition(".")
    obs_id = ObsId.parse(name)
    if part and not part.isdecimal():
        raise UnsafeName.for_name(text, "a part is a number")
    for instrument in backbone.instruments.values():
        if instrument.camera_code == obs_id.camera_code:
            return Unit(instrument.name, obs_id, int(part or 1)), bool(part)
    raise UnsafeName.for_name(text, f"no instrument has the code {obs_id.camera_code}")


def _of_did(backbone: Backbone, did: Did) -> tuple[Unit, bool]:
    stem = did.name.leaf
    for ending in (".zip", ".manifest.json"):
        stem = stem.removesuffix(ending)
    unit, _ = parse_unit(backbone, stem)
    if did.name not in (unit.bundle_name, unit.manifest_name, unit.rucio_dataset):
        raise UnsafeName.for_name(str(did), "it is no bundle, manifest or Rucio dataset")
    return unit, True


def _exactly(backbone: Backbone, unit: Unit) -> list[UnitRow]:
    return list(backbone.ledger.units([str(unit)]).values())


def _parts(backbone: Backbone, unit: Unit) -> list[UnitRow]:
    found: list[UnitRow] = []
    while len(found) % PARTS_AT_ONCE == 0:
        first = len(found) + 1
        names = [
            str(Unit(unit.instrument, unit.obs_id, part))
            for part in range(first, first + PARTS_AT_ONCE)
        ]
        rows = backbone.ledger.units(names)
        if not rows:
            break
        found += sorted(rows.values(), key=lambda row: row.part)
    return found
