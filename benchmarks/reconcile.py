"""Measure what it takes to compare a whole night at four endpoints.

Claims: 3,250 exposures at 4 endpoints are compared in less than 60 s; a million identifiers on each side
are compared in less than 60 s, in bounded memory. Real are: the ledger (SQLite in a file, with its
history), the stores (two small files an exposure and endpoint), the region of the sky that one policy
names (every fourth exposure is in it), and a Butler registry for each endpoint with 205 datasets an
exposure, filled by SQL. Rucio answers from memory; what the real one costs is measured apart, over
fewer datasets, and multiplied. Each figure is of a process of its own, begun when all is imported.

::

    python benchmarks/reconcile.py [--exposures 3250] [--postgres URL] [--uuids 1000000]
                                   [--peer EXPOSURES] [--sandbox DIR --datasets 500]
    python benchmarks/reconcile.py --files 100000

``--files`` measures two scans, an hour apart, of so many stored files of several nights at the four endpoints; an
exposure has 20 datasets in a registry then. What was planted must be suspected by the first scan, confirmed by the second.
With ``--postgres`` the registries are schemas of that database (it needs the extension btree_gist). ``--peer`` reads some exposures through Butler's own query interface too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import resource
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include"), str(ROOT / "tests"), str(ROOT)]

from benchmarks.night_registries import drop_schemas, make_registry
from benchmarks.published_night import (
    DETECTORS,
    NIGHT,
    NIGHTS,
    PER_NIGHT,
    PLACES,
    PLANTED,
    make_night,
    open_sources,
)
from lsst.daf.butler import Butler

from dbb.digests import digest_bytes
from dbb.flows.reconciling import reconcile_night
from dbb.flows.uuid_sets import diff_uuids
from dbb.hooks.butler_indexer import ButlerIndexer
from dbb.hooks.butler_listing import ButlerListing
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.butler_setup import create_repository, name_driver
from dbb.hooks.rucio_catalog import RucioCatalog
from dbb.hooks.rucio_listing import RucioListing
from dbb.model.names import Did, SafeName
from dbb.ports.catalog import CatalogEntry, CatalogFile, RuleWish
from sandbox.envfile import read_env
from support.raw_bundles import BundleMaker, make_instrument


def _usage() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, time.monotonic()


def _memory(what: str) -> int:
    """Read VmRSS (now) or VmHWM (the peak) of this process, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(what))


def _measured(work: Callable[[], Any]) -> dict[str, Any]:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the peak
    before_mib = _memory("VmRSS")
    cpu, wall = _usage()
    work()
    cpu_after, wall_after = _usage()
    return {
        "cpu_s": round(cpu_after - cpu, 2),
        "wall_s": round(wall_after - wall, 2),
        "peak_mib": _memory("VmHWM"),
        "before_mib": before_mib,
    }


def compare(folder: Path, exposures: int, places: list[str]) -> dict[str, Any]:
    """Compare the night at some endpoints; what was planted must be found, and nothing else."""
    sources = open_sources(folder, exposures)

    def work() -> None:
        seen = [s for scan in reconcile_night(sources, NIGHT, places) for s in scan.sightings]
        codes = sorted((each.endpoint, str(each.discrepancy)) for each in seen)
        wanted = [("frdf", "butler-lacks")] * PLANTED + [("frdf", "file-gone")] * PLANTED
        assert codes == (wanted if "frdf" in places else []), codes[:20]

    return _measured(work)


def scan_twice(folder: Path, exposures: int) -> dict[str, Any]:
    """Scan every night at every endpoint twice: what was planted is confirmed then, and nothing else."""
    sources = open_sources(folder, exposures)
    clock: Any = sources.backbone.clock
    nights = NIGHTS[: -(-exposures // PER_NIGHT)]
    clock.advance(24 * 3600 * len(nights))
    wanted = sorted(["butler-lacks"] * PLANTED + ["file-gone"] * PLANTED)

    def scan(state: str) -> None:
        for night in nights:
            reconcile_night(sources, night, PLACES)
        found = sources.findings.find()
        assert sorted(str(each.sighting.discrepancy) for each in found) == wanted, found[:20]
        assert {(each.sighting.endpoint, str(each.state)) for each in found} == {("frdf", state)}

    def work() -> None:
        scan("suspected")
        clock.advance(3600)
        scan("confirmed")

    return _measured(work)


def list_one(folder: Path, place: str) -> dict[str, Any]:
    """Sum up one registry."""
    listing = ButlerListing(str(folder / "butler" / place), lambda each: f"{each}/raw/all")
    return _measured(lambda: listing.served("LSSTCam", NIGHT.value))


def make_peer(folder: Path, exposures: int, postgres: str, mark: str) -> None:
    """Make a small repository as Butler itself does, dimension records and all."""
    camera = make_instrument(DETECTORS)
    url = name_driver(postgres) if postgres else None
    root = folder / "butler" / "peer"
    create_repository(root, [camera], registry_url=url, namespace=f"{mark}_peer" if url else None)
    maker = BundleMaker(folder / "peer", camera, ButlerIndexer([camera]), draw=lambda *_: b"x")
    bundles = [maker.make(number + 1) for number in range(exposures)]
    assert not ButlerRepository(str(root)).ingest(bundles)


def ask_peer(folder: Path, exposures: int) -> dict[str, Any]:
    """Read identifiers through Butler's query interface."""

    def work() -> None:
        number = 0
        with Butler.from_config(str(folder / "butler" / "peer")) as butler:
            for name in ("raw", "guider_raw"):
                with butler.query() as query:
                    refs = query.datasets(name, collections="LSSTCam/raw/all", find_first=False)
                    refs = refs.where("instrument = 'LSSTCam' AND exposure.day_obs = 20261121")
                    number += sum(len(ref.id.bytes) == 16 for ref in refs)
        assert number == exposures * DETECTORS, number

    return _measured(work)


def diff_million(number: int) -> dict[str, Any]:
    """Compare two long lists that differ in ten places."""

    def side(skipped: range) -> Iterator[tuple[bytes, int]]:
        for each in range(number):
            if each not in skipped:
                yield hashlib.md5(b"%d" % each).digest(), each % 3250  # noqa: S324

    def work() -> None:
        found = diff_uuids(side(range(5)), side(range(number - 5, number)))
        assert found.differing == 10
        assert found.left == number - 5

    return _measured(work)


def in_child(work: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """Measure in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def compare_in_parallel(folder: Path, exposures: int) -> dict[str, Any]:
    """Compare each endpoint in a process of its own, as mapped tasks do; two at a time."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(len, [[], []]))  # both have imported everything
        started = time.monotonic()
        waiting = [pool.submit(compare, folder, exposures, [place]) for place in PLACES]
        told = [each.result() for each in waiting]
        wall = time.monotonic() - started
    return {
        "cpu_s": round(sum(each["cpu_s"] for each in told), 2),
        "wall_s": round(wall, 2),
        "peak_mib": max(each["peak_mib"] for each in told),
        "before_mib": told[0]["before_mib"],
    }


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
        assert set(listing.replicas_at(["USDF"], dids)) == set(dids)

    def ask_datasets() -> None:
        assert len(list(listing.datasets_below("raw", folder))) == number

    list(listing.datasets_below("raw", "none/"))  # logs in
    rows = [
        {"what": f"Rucio: rules of {number} datasets", **_measured(ask_locks)},
        {"what": f"Rucio: replicas of {2 * number} files at one RSE", **_measured(ask_replicas)},
        {"what": f"Rucio: list {number} datasets of a night", **_measured(ask_datasets)},
    ]
    rules = catalog.locks(datasets)
    catalog.drop_rules([there["FRDF"].rule_id for there in rules.values()])
    return rows


def measure_night(folder: Path, given: argparse.Namespace, mark: str) -> list[dict[str, Any]]:
    """Make a night and measure all about it."""
    number, kind = given.exposures, "PostgreSQL" if given.postgres else "SQLite"
    make_night(folder, number)
    for place in PLACES:
        make_registry(folder, place, number, given.postgres, mark)
        print(f"made {place}", file=sys.stderr)
    one = f"{number} exposures at 4 endpoints, registries in {kind}"
    rows = [
        {"what": f"{one}: one process", **in_child(compare, folder, number, PLACES)},
        {"what": f"{one}: a process an endpoint", **compare_in_parallel(folder, number)},
        {"what": f"sum up one registry in {kind}", **in_child(list_one, folder, "usdf")},
    ]
    if given.peer:
        make_peer(folder, given.peer, given.postgres, mark)
        what = f"{given.peer} exposures in {kind}"
        peer = in_child(ask_peer, folder, given.peer)
        rows.append({"what": f"{what}: identifiers by Butler's query interface", **peer})
        rows.append({"what": f"{what}: the same summed up", **in_child(list_one, folder, "peer")})
    return rows


def measure_files(folder: Path, files: int, datasets: int = 20) -> dict[str, Any]:
    """Make several nights with so many stored files, and scan them twice."""
    exposures = round(
        files / 6.5
    )  # two files at three endpoints, and at the fourth for every fourth
    make_night(folder, exposures, datasets)
    for place in PLACES:
        make_registry(folder, place, exposures, "", "", datasets)
        print(f"made {place}", file=sys.stderr)
    stored = sum(path.is_file() for place in PLACES for path in (folder / place).rglob("*"))
    what = f"{stored:,} files of {exposures:,} exposures at 4 endpoints, scanned twice"
    return {"what": what, **in_child(scan_twice, folder, exposures)}


def main() -> None:
    """Print a table, then the same as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--exposures", type=int, default=3250)
    parser.add_argument("--postgres", default="", metavar="URL")
    parser.add_argument("--uuids", type=int, default=1_000_000)
    parser.add_argument("--peer", type=int, default=0, metavar="EXPOSURES")
    parser.add_argument("--sandbox", type=Path, metavar="DIR")
    parser.add_argument("--datasets", type=int, default=500, metavar="EXPOSURES")
    parser.add_argument("--files", type=int, default=0, metavar="NUMBER")
    given = parser.parse_args()
    if given.files:
        given.exposures = given.uuids = 0
    rows: list[dict[str, Any]] = []
    mark = f"benchmark_{uuid.uuid4().hex[:8]}"
    if given.exposures:
        with tempfile.TemporaryDirectory() as name:
            try:
                rows += measure_night(Path(name), given, mark)
            finally:
                if given.postgres:
                    drop_schemas(given.postgres, mark)
    if given.files:
        with tempfile.TemporaryDirectory() as name:
            rows.append(measure_files(Path(name), given.files))
    if given.uuids:
        what = f"{given.uuids:,} identifiers on each side"
        rows.append({"what": what, **in_child(diff_million, given.uuids)})
    if given.sandbox:
        rows += ask_rucio(given.sandbox, given.datasets)
    print("| what | CPU s | wall s | peak MiB | before |")
    print("|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
