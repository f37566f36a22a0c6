"""Units, manifests and facts to fill a ledger with."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid

from dbb.hooks.ledger import SqlLedger
from dbb.model.delivery import State
from dbb.model.digest import Digest
from dbb.model.exposure import Unit
from dbb.model.manifest import Entry, Manifest
from dbb.model.names import SafeName
from dbb.ports.ledger import UnitRow
from support.fake_images import MemoryInspector
from support.tiny_camera import unit_name

NOW = dt.datetime(2026, 11, 22, 4, 0, 0, 123456, tzinfo=dt.UTC)
UNIT, OTHER = unit_name(1), unit_name(2)


def row(name: str = UNIT) -> UnitRow:
    return UnitRow(
        unit=name,
        kind="raw",
        instrument="LSSTCam",
        day_obs=20261121,
        obs_id=name.rsplit("/", 1)[-1],
        part=1,
        expected=3,
        arrived=2,
        missing=(),
        changed_at=NOW,
    )


def manifest(name: str = UNIT, sha256: str = "a" * 64) -> Manifest:
    digest = Digest(5, sha256, "00000001", "00000002")
    return Manifest(
        unit=Unit.parse(name),
        scope="raw",
        bundle=digest,
        entries=(Entry(SafeName("x.fits"), digest, {"id": str(uuid.UUID(int=1))}),),
        missing=("R22_S11",),
        universe={},
        records={},
    )


def facts(name: str = UNIT):
    header = {"EXPTIME": 30, "FILTER": "r_57", "IMGTYPE": "science"}
    return MemoryInspector().translate(name, header, Unit.parse(name))


def opened(ledger: SqlLedger, *names: str) -> list[str]:
    units = list(names or (UNIT,))
    ledger.note_units([row(name) for name in units])
    ledger.expect(units, "usdf", "seen")
    return units


def published(ledger, *names):
    for name in opened(ledger, *names):
        ledger.seal_unit(name, manifest(name), facts(name))
    road = [State.EXPECTED, State.ARRIVED, State.VERIFIED, State.REGISTERED, State.PUBLISHED]
    for old, new in itertools.pairwise(road):
        ledger.advance(names, "usdf", old, new, "on")
