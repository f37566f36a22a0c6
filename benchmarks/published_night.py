"""Make a night as it is when it was published wherever it is wanted, with some damage planted; open it.

These are stores and ledger; `night_registries.py` makes what Butler has, `reconcile.py` measures over all.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import itertools
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dbb.digests import digest_bytes
from dbb.flows.backbone import Backbone
from dbb.flows.reconcile_views import Sources
from dbb.hooks.butler_listing import ButlerListing
from dbb.hooks.engine import open_engine
from dbb.hooks.findings import SqlFindings
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.posix_store import PosixStore
from dbb.hooks.sky_regions import SkyRegions
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.exposure import ObsId, Unit
from dbb.model.fingerprint import Fingerprint
from dbb.model.kind import Kind
from dbb.model.manifest import Entry, Manifest
from dbb.model.names import Did, SafeName
from dbb.model.policy import Policy, PolicyBook, Selection
from dbb.ports.catalog import Lock, RuleState
from dbb.ports.ledger import UnitRow
from dbb.settings import Settings
from support.fake_clock import FixedClock
from support.raw_bundles import make_facts, make_instrument

ROOT = Path(__file__).resolve().parents[1]
NIGHTS = list(DayObs.range(DayObs(20261121), DayObs(20270120)))
NIGHT = NIGHTS[0]
PER_NIGHT = 3250
RSES = {"summit": "", "usdf": "USDF", "frdf": "FRDF", "ukdf": "UKDF", "chile": "CHILE"}
PLACES = [name for name, rse in RSES.items() if rse]
POLICIES = PolicyBook(
    (
        Policy("raw-frdf", "frdf", Selection(Kind.RAW), ("usdf",)),
        Policy("raw-ukdf", "ukdf", Selection(Kind.RAW, region="uk"), ("frdf",)),
        Policy("raw-chile", "chile", Selection(Kind.RAW), ("usdf",)),
    )
)
DETECTORS = 205
PLANTED = 5
"""Exposures of which the French Butler lacks a dataset, and as many whose bundle is gone there."""


class Rucio:
    """Answer from memory: rules and replicas are where the deliveries are."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._datasets = {Did("raw", unit.rucio_dataset): unit for unit in units}

    def locks(self, datasets: Sequence[Did]) -> dict[Did, dict[str, Lock]]:
        """Give a satisfied rule at every receiver that wants the unit."""
        lock = Lock("0" * 32, RuleState.OK)
        return {
            did: {RSES[name]: lock for name in places_of(self._datasets[did]) if name != "usdf"}
            for did in datasets
        }

    def replicas_at(self, rses: Sequence[str], dids: Sequence[Did]) -> dict[Did, frozenset[str]]:
        """Give a replica wherever the unit is wanted."""
        found = {}
        for did in dids:
            number = int(did.name.split("_")[3][:6])
            found[did] = frozenset(RSES[name] for name in places_of(number)) & set(rses)
        return found

    def datasets_below(self, scope: str, folder: str) -> Iterator[Did]:
        """Give the night."""
        return (d for d in self._datasets if d.scope == scope and d.name.startswith(folder))


def places_of(unit: Unit | int) -> list[str]:
    """Name the endpoints that have a unit: the British one has every fourth."""
    number = unit if isinstance(unit, int) else unit.obs_id.seq_num
    return [name for name in PLACES if name != "ukdf" or number % 4 == 0]


def unit_at(number: int) -> Unit:
    """Give the exposure of a number: as many a night as there can be, one night after another."""
    night, before = divmod(number - 1, PER_NIGHT)
    return Unit("LSSTCam", ObsId("MC", "O", NIGHTS[night], before + 1))


def ids_of(number: int, datasets: int = DETECTORS) -> list[bytes]:
    """Give the identifiers of an exposure's datasets."""
    return [hashlib.md5(b"%d/%d" % (number, d)).digest() for d in range(datasets)]  # noqa: S324


def make_night(folder: Path, exposures: int, datasets: int = DETECTORS) -> None:
    """Fill stores and ledger, as a night leaves them that was published wherever it is wanted."""
    clock = FixedClock()
    ledger = SqlLedger(open_engine(f"sqlite:///{folder}/ledger.db"), clock, "benchmark")
    ledger.migrate()
    units = [unit_at(number) for number in range(1, exposures + 1)]
    fingerprints = {}
    for exposure, unit in enumerate(units, 1):
        bundle = f"bundle of {unit}".encode()
        is_planted = exposure <= 2 * PLANTED
        ids = ids_of(exposure, datasets)
        entries = [
            Entry(
                SafeName(f"{number:03d}.fits"), digest_bytes(b""), {"id": str(uuid.UUID(bytes=key))}
            )
            for number, key in enumerate(ids if is_planted else ids[:1])
        ]
        manifest = Manifest(unit, "raw", digest_bytes(bundle), tuple(entries), (), {}, {})
        for place in places_of(unit):
            path = folder / place / "raw" / unit.folder
            path.mkdir(parents=True)
            (path / unit.bundle_name.leaf).write_bytes(bundle)
            (path / unit.manifest_name.leaf).write_bytes(manifest.data)
        ledger.note_units([_row(unit, clock.now())])
        facts = make_facts(unit)
        if "ukdf" not in places_of(unit):
            facts = dataclasses.replace(facts, tracking_ra_deg=150.0, tracking_dec_deg=2.0)
        ledger.seal_unit(str(unit), manifest, facts)
        fingerprints[str(unit)] = (manifest.sha256, Fingerprint.of(ids))
    SqlFindings(ledger).note_fingerprints(fingerprints)
    for place in RSES:
        names = [str(unit) for unit in units if place == "summit" or place in places_of(unit)]
        ledger.expect(names, place, "wanted")
        for old, new in itertools.pairwise(list(State)[:5]):
            ledger.advance(names, place, old, new, "as it goes")
        if place == "summit":
            ledger.advance(names, place, State.PUBLISHED, State.RELEASED, "safe")
    for number in range(PLANTED + 1, 2 * PLANTED + 1):
        (folder / "frdf" / "raw" / unit_at(number).bundle_name).unlink()


def _row(unit: Unit, now: dt.datetime) -> UnitRow:
    return UnitRow(
        unit=str(unit), kind="raw", instrument=unit.instrument, day_obs=unit.obs_id.day_obs.value,
        obs_id=str(unit.obs_id), part=1, expected=205, arrived=205, missing=(), changed_at=now,
    )  # fmt: skip


def open_sources(folder: Path, exposures: int) -> Sources:
    """Open the night as a task does."""
    clock = FixedClock()
    ledger = SqlLedger(open_engine(f"sqlite:///{folder}/ledger.db"), clock, "benchmark")
    clock.advance(24 * 3600)
    rucio = Rucio([unit_at(number) for number in range(1, exposures + 1)])
    camera = {"LSSTCam": make_instrument(DETECTORS)}
    (folder / "summit").mkdir(exist_ok=True)
    given: dict[str, Any] = {
        "policy": dataclasses.replace(Settings.load().raw, receivers=("frdf", "ukdf", "chile")),
        "policies": POLICIES,
        "instruments": camera,
        "rses": RSES,
        "ledger": ledger,
        "clock": clock,
        "catalog": rucio,
        "sky": SkyRegions(ROOT / "include/policies/regions", camera),
        "store": lambda name: PosixStore(folder / name),
    }
    unused = {field.name: SimpleNamespace() for field in dataclasses.fields(Backbone)}
    return Sources(
        Backbone(**{**unused, **given}),
        rucio,
        lambda name: ButlerListing(str(folder / "butler" / name), lambda each: f"{each}/raw/all"),
        SqlFindings(ledger),
    )
