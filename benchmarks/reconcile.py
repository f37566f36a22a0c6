"""Measure what it takes to compare a whole night at four endpoints.

Claim: 3,250 exposures at 4 endpoints are compared in less than 60 s. Real are: the ledger (SQLite in a
file, 3,250 by 5 deliveries with their history), the stores (two small files an exposure, at each endpoint), the
manifests (of two images), the region of the sky that one policy names. Rucio and the registries answer
from memory. What they cost is measured apart, over fewer, and multiplied:

- ``--registry EXPOSURES``: a real Butler registry (SQLite) of 205 datasets an exposure, streamed and
  compared with its manifests of full size;
- ``--sandbox DIR --datasets EXPOSURES``: a real Rucio server, asked for the rules, replicas and datasets.

::

    python benchmarks/reconcile.py [--exposures 3250] [--registry 200] [--sandbox .sandbox --datasets 500]
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import itertools
import json
import resource
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include"), str(ROOT / "tests")]

from dbb.digests import digest_bytes
from dbb.flows.backbone import Backbone
from dbb.flows.reconcile_views import Night, Sources
from dbb.flows.reconciling import reconcile_night
from dbb.flows.uuid_sets import Labelled, diff_uuids
from dbb.hooks.butler_indexer import ButlerIndexer
from dbb.hooks.butler_listing import ButlerListing
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.butler_setup import create_repository
from dbb.hooks.findings import SqlFindings
from dbb.hooks.ledger import SqlLedger, open_engine
from dbb.hooks.posix_store import PosixStore
from dbb.hooks.rucio_catalog import RucioCatalog
from dbb.hooks.rucio_listing import RucioListing
from dbb.hooks.sky_regions import SkyRegions
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.exposure import ObsId, Unit
from dbb.model.kind import Kind
from dbb.model.manifest import Entry, Manifest
from dbb.model.names import Did, SafeName
from dbb.model.policy import Policy, PolicyBook, Selection
from dbb.ports import CatalogEntry, CatalogFile, Lock, RuleState, RuleWish, UnitRow
from dbb.settings import Settings
from sandbox.envfile import read_env
from support.fake_clock import FixedClock
from support.raw_bundles import BundleMaker, make_facts, make_instrument

NIGHT = DayObs(20261121)
RSES = {"summit": "", "usdf": "USDF", "frdf": "FRDF", "ukdf": "UKDF", "chile": "CHILE"}
PLACES = [name for name, rse in RSES.items() if rse]
POLICIES = PolicyBook(
    (
        Policy("raw-frdf", "frdf", Selection(Kind.RAW), ("usdf",)),
        Policy("raw-ukdf", "ukdf", Selection(Kind.RAW, region="uk"), ("frdf",)),
        Policy("raw-chile", "chile", Selection(Kind.RAW), ("usdf",)),
    )
)
IMAGES = 2
DETECTORS = 205
PLANTED = 5


class Rucio:
    """Answer from memory: every dataset has its rules, every file its replicas."""

    def __init__(self, datasets: Sequence[Did]) -> None:
        self._datasets = datasets

    def locks(self, datasets: Sequence[Did]) -> dict[Did, dict[str, Lock]]:
        """Give a satisfied rule at every receiver."""
        there = {RSES[name]: Lock("0" * 32, RuleState.OK) for name in PLACES[1:]}
        return {did: dict(there) for did in datasets}

    def replicas(self, dids: Sequence[Did]) -> dict[Did, dict[str, str]]:
        """Give a replica everywhere."""
        return {did: {RSES[name]: f"file:///{name}/{did.name}" for name in PLACES} for did in dids}

    def datasets_below(self, scope: str, folder: str) -> Iterator[Did]:
        """Give the night."""
        return (d for d in self._datasets if d.scope == scope and d.name.startswith(folder))


class Registry:
    """Answer from memory: the datasets that manifests name, but for those left out."""

    def __init__(self, ids: Sequence[Labelled]) -> None:
        self._ids = ids

    def images_of_night(self, instrument: str, day_obs: int) -> Iterator[Labelled]:
        """Give the night."""
        assert (instrument, day_obs) == ("LSSTCam", NIGHT.value)
        return iter(self._ids)

    def find_ids(self, ids: Sequence[bytes]) -> set[bytes]:
        """Nobody asks."""
        return set(ids)


def make_manifest(unit: Unit, bundle: bytes) -> Manifest:
    """Write a small manifest."""
    entries = []
    for number in range(IMAGES):
        name = SafeName(f"{unit.obs_id}_R22_S1{number}.fits")
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        entries.append(Entry(name, digest_bytes(name.encode()), {"id": key}))
    return Manifest(unit, "raw", digest_bytes(bundle), tuple(entries), (), {}, {})


def make_night(folder: Path, exposures: int) -> tuple[SqlLedger, FixedClock, list[Manifest]]:
    """Fill stores and ledger, as a night leaves them that was published everywhere."""
    clock = FixedClock()
    ledger = SqlLedger(open_engine(f"sqlite:///{folder}/ledger.db"), clock, "benchmark")
    ledger.migrate()
    manifests = []
    for number in range(exposures):
        unit = Unit("LSSTCam", ObsId("MC", "O", NIGHT, number + 1))
        data = f"bundle of {unit}".encode()
        manifest = make_manifest(unit, data)
        manifests.append(manifest)
        for place in PLACES:
            path = folder / place / "raw" / unit.folder
            path.mkdir(parents=True)
            (path / unit.bundle_name.leaf).write_bytes(data)
            (path / unit.manifest_name.leaf).write_bytes(manifest.data)
    units = [str(manifest.unit) for manifest in manifests]
    ledger.note_units([_row(manifest, clock.now()) for manifest in manifests])
    for manifest in manifests:
        facts = make_facts(manifest.unit)
        ledger.seal_unit(str(manifest.unit), manifest, facts)
    for place in RSES:
        ledger.expect(units, place, "wanted")
        for old, new in _steps():
            ledger.advance(units, place, old, new, "as it goes")
    ledger.advance(units, "summit", State.PUBLISHED, State.RELEASED, "safe")
    return ledger, clock, manifests


def _row(manifest: Manifest, now: dt.datetime) -> UnitRow:
    unit = manifest.unit
    return UnitRow(
        unit=str(unit), kind="raw", instrument=unit.instrument, day_obs=NIGHT.value,
        obs_id=str(unit.obs_id), part=1, expected=IMAGES, arrived=IMAGES, missing=(), changed_at=now,
    )  # fmt: skip


def _steps() -> list[tuple[State, State]]:
    way = [State.EXPECTED, State.ARRIVED, State.VERIFIED, State.REGISTERED, State.PUBLISHED]
    return list(itertools.pairwise(way))


def make_sources(folder: Path, exposures: int) -> Sources:
    """Make the night, with a few things wrong."""
    ledger, clock, manifests = make_night(folder, exposures)
    clock.advance(24 * 3600)
    datasets = [Did("raw", manifest.unit.rucio_dataset) for manifest in manifests]
    ids = [
        (uuid.UUID(entry.ref["id"]).bytes, manifest.unit.obs_id.exposure_id)
        for manifest in manifests
        for entry in manifest.entries
        if entry.ref
    ]
    for manifest in manifests[:PLANTED]:
        (folder / "frdf" / "raw" / manifest.unit.bundle_name).unlink()
    registries = {place: Registry(ids) for place in PLACES}
    registries["ukdf"] = Registry(ids[PLANTED * IMAGES :])
    rucio = Rucio(datasets)
    camera = {"LSSTCam": make_instrument()}
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
    backbone = Backbone(**{**unused, **given})
    return Sources(backbone, rucio, lambda name: registries[name], SqlFindings(ledger))


def measured(what: str, number: int, work: Callable[[], Any], scale: float = 1.0) -> dict[str, Any]:
    """Do something once; ``scale`` is what a night of 3,250 exposures is of it."""
    before, wall = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.monotonic() - wall
    return {
        "what": what,
        "exposures": number,
        "cpu_s": round(cpu, 2),
        "wall_s": round(wall, 2),
        "night_cpu_s": round(cpu * scale, 1),
        "night_wall_s": round(wall * scale, 1),
        "peak_mib": after.ru_maxrss // 1024,
    }


def compare_night(exposures: int) -> dict[str, Any]:
    """Compare the whole night at all endpoints; what was planted must be found, and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        sources = make_sources(Path(folder), exposures)

        def work() -> None:
            found = reconcile_night(sources, NIGHT)
            assert not found.silent
            codes = sorted((item.endpoint, str(item.discrepancy)) for item in found.findings)
            wanted = [("frdf", "file-gone")] * PLANTED + [("ukdf", "datasets-lacking")] * PLANTED
            assert codes == wanted, codes[:20]

        return measured("a night at 4 endpoints", exposures, work)


def compare_registry(exposures: int) -> list[dict[str, Any]]:
    """Stream a real registry and read manifests of full size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        camera = make_instrument(DETECTORS)
        create_repository(folder / "butler", [camera])
        # The images' bytes are nobody's business here.
        maker = BundleMaker(
            folder / "usdf" / "raw", camera, ButlerIndexer([camera]), draw=lambda *_: b"pixels"
        )
        bundles = [maker.make(number + 1) for number in range(exposures)]
        refused = ButlerRepository(str(folder / "butler")).ingest(bundles)
        assert not refused
        rows = {}
        for bundle in bundles:
            manifest = bundle.manifest
            path = folder / "usdf" / "raw" / manifest.unit.manifest_name
            path.write_bytes(manifest.data)
            rows[manifest.unit.obs_id.exposure_id] = dataclasses.replace(
                _row(manifest, dt.datetime.now(dt.UTC)), manifest_sha256=manifest.sha256
            )
        backbone = SimpleNamespace(
            store=lambda place: PosixStore(folder / place), policy=Settings.load().raw
        )
        sources = SimpleNamespace(backbone=backbone)
        night = Night(sources, NIGHT, SimpleNamespace())  # type: ignore[arg-type] # its ids only
        listing = ButlerListing(str(folder / "butler"), lambda each: f"{each}/raw/all")

        def named() -> Iterator[Labelled]:
            for exposure, row in rows.items():
                ids = night.ids_of(row, "usdf") or b""
                for start in range(0, len(ids), 16):
                    yield ids[start : start + 16], exposure

        def both() -> None:
            found = diff_uuids(named(), listing.images_of_night("LSSTCam", NIGHT.value))
            assert not found.only_left + found.only_right
            assert found.left == exposures * DETECTORS

        scale = 3250 / exposures
        return [
            measured("read manifests of 205 images", exposures, lambda: list(named()), scale),
            measured("stream a Butler registry and compare, one endpoint", exposures, both, scale),
        ]


def ask_rucio(sandbox: Path, number: int) -> list[dict[str, Any]]:
    """Ask a real server for rules, replicas and datasets of units that exist in its catalogue."""
    env = read_env(sandbox / "env")
    login = {
        "host": env["DBB_RUCIO_HOST"],
        "account": env["DBB_RUCIO_ACCOUNT"],
        "username": env["DBB_RUCIO_USER"],
        "password": env["DBB_RUCIO_PASSWORD"],
    }
    catalog, listing = RucioCatalog(**login), RucioListing(**login)
    mark = uuid.uuid4().hex[:8]
    folder = f"Dataset/benchmark/{mark}/"
    entries = []
    for each in range(number):
        files = [
            CatalogFile(Did("raw", SafeName(f"benchmark/{mark}/{each}.{end}")), digest_bytes(b"x"))
            for end in ("zip", "manifest.json")
        ]
        entries.append(CatalogEntry(Did("raw", SafeName(f"{folder}{each}")), tuple(files)))
    catalog.register(entries, "USDF")
    datasets = [entry.dataset for entry in entries]
    catalog.ensure_rules(datasets, RuleWish("FRDF", "Nightly"))
    dids = [file.did for entry in entries for file in entry.files]

    def ask_locks() -> None:
        assert all("FRDF" in there for there in catalog.locks(datasets).values())

    def ask_replicas() -> None:
        assert all("USDF" in there for there in catalog.replicas(dids).values())

    def ask_datasets() -> None:
        assert len(list(listing.datasets_below("raw", folder))) == number

    list(listing.datasets_below("raw", "none/"))  # logs in
    scale = 3250 / number
    rows = [
        measured("Rucio: rules of the datasets", number, ask_locks, scale),
        measured("Rucio: replicas of two files each", number, ask_replicas, scale),
        measured("Rucio: list the night's datasets", number, ask_datasets, scale),
    ]
    rules = catalog.locks(datasets)
    catalog.drop_rules([there["FRDF"].rule_id for there in rules.values()])
    return rows


def main() -> None:
    """Print a table, then the same as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--exposures", type=int, default=3250)
    parser.add_argument("--registry", type=int, default=200, metavar="EXPOSURES")
    parser.add_argument("--sandbox", type=Path, metavar="DIR")
    parser.add_argument("--datasets", type=int, default=500, metavar="EXPOSURES")
    given = parser.parse_args()
    rows = [compare_night(given.exposures)]
    if given.registry:
        rows += compare_registry(given.registry)
    if given.sandbox:
        rows += ask_rucio(given.sandbox, given.datasets)
    print("| what | exposures | CPU s | wall s | 3,250: CPU s | 3,250: wall s | peak MiB so far |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
