"""Measure how fast copies are read again, beside the disk itself.

Claim: reading again runs at 90 % of the rate at which the disk gives the same files. Both drop the page cache
first; the peer reads each file from its beginning to its end in pieces of 4 MiB and does nothing with it.
Reading again opens the copy through the store, reads the manifest, computes sha256, adler32 and crc32c, and writes
its time into the ledger (SQLite in a file). A second table tells what the ledger costs with many copies.

::

    python benchmarks/scrub_rate.py [--bundles 20] [--mebibytes 64] [--rounds 3] [--at-once CORES] [--copies 1000000]
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include"), str(ROOT / "tests")]

from sqlalchemy import text

from dbb.digests import digest_bytes
from dbb.flows.backbone import Backbone
from dbb.flows.scrubbing import find_coverage, reread_copies
from dbb.hooks.engine import open_engine
from dbb.hooks.keeping import SqlKeeping
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.posix_store import PosixStore
from dbb.model.delivery import State
from dbb.model.digest import Digest
from dbb.model.exposure import Unit
from dbb.model.manifest import Entry, Manifest
from dbb.model.names import SafeName
from dbb.settings import Settings
from dbb.wiring.base import SystemClock
from support.ledger_units import facts, row
from support.tiny_camera import unit_name

PERIOD = dt.timedelta(days=90)
ROAD = [State.EXPECTED, State.ARRIVED, State.VERIFIED, State.REGISTERED, State.PUBLISHED]


def make_endpoint(folder: Path, bundles: int, mebibytes: int) -> tuple[Backbone, SqlKeeping]:
    """Publish bundles of random bytes at an endpoint."""
    clock = SystemClock()
    ledger = SqlLedger(open_engine(f"sqlite:///{folder}/ledger.db"), clock, "benchmark")
    ledger.migrate()
    store = PosixStore(folder)
    backbone = SimpleNamespace(
        ledger=ledger, clock=clock, store=lambda _: store, policy=Settings.load().raw
    )
    for number in range(bundles):
        name = unit_name(number + 1)
        unit = Unit.parse(name)
        data = os.urandom(mebibytes * 2**20)
        entry = Entry(
            SafeName("x.fits"),
            Digest(5, "a" * 64, "00000001", "00000002"),
            {"id": "00000000-0000-0000-0000-000000000001"},
        )
        manifest = Manifest(unit, "raw", digest_bytes(data), (entry,), (), {}, {})
        for leaf, content in ((unit.bundle_name, data), (unit.manifest_name, manifest.data)):
            with store.create(f"raw/{leaf}") as writer:
                writer.write(content)
        ledger.note_units([row(name)])
        ledger.seal_unit(name, manifest, facts(name))
        ledger.expect([name], "frdf", "benchmark")
        for old, new in itertools.pairwise(ROAD):
            ledger.advance([name], "frdf", old, new, "benchmark")
    return cast(Backbone, backbone), SqlKeeping(ledger)


def read_files(folder: Path) -> int:
    """Read every file below a folder from the disk, and forget it."""
    size = 0
    for path in sorted((folder / "raw").rglob("*.*")):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        while piece := os.read(descriptor, 4 * 2**20):
            size += len(piece)
        os.close(descriptor)
    return size


def measured(work: Callable[[], int]) -> tuple[float, float, int]:
    """Do something; give wall seconds, CPU-seconds, and the bytes that it says it read."""
    wall, cpu = time.monotonic(), time.process_time()
    size = work()
    return time.monotonic() - wall, time.process_time() - cpu, size


def compare_rates(bundles: int, mebibytes: int, rounds: int, at_once: int) -> dict[str, Any]:
    """Read the same files both ways, in turn; medians."""
    with tempfile.TemporaryDirectory(dir=ROOT) as name:
        folder = Path(name)
        backbone, readings = make_endpoint(folder, bundles, mebibytes)

        def ours() -> int:
            before = backbone.clock.now()
            with cast(SqlLedger, backbone.ledger).transaction() as connection:
                connection.execute(
                    text("update delivery set verified_at = '2026-01-01T00:00:00+00:00'")
                )
            run = reread_copies(backbone, readings, "frdf", PERIOD, dt.timedelta(hours=1), at_once)
            assert (run.copies, run.damaged, run.stopped) == (bundles, 0, "all read"), run
            oldest = find_coverage(backbone, readings, "frdf", PERIOD).oldest_at
            assert oldest is not None
            assert oldest >= before
            return run.size_bytes

        pairs = [(measured(ours), measured(lambda: read_files(folder))) for _ in range(rounds)]
    (wall, cpu, size), (peer_wall, _, peer_size) = (
        [statistics.median(column) for column in zip(*side, strict=True)]
        for side in zip(*pairs, strict=True)
    )
    assert size == peer_size
    return {
        "what": f"{bundles} bundles of {mebibytes} MiB",
        "MB/s": round(size / wall / 1e6),
        "disk MB/s": round(peer_size / peer_wall / 1e6),
        "of the disk's rate": f"{100 * peer_wall / wall:.0f} %",
        "GB per CPU-s": round(size / cpu / 1e9, 2),
        "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def ask_ledger(copies: int) -> dict[str, Any]:
    """Ask a ledger of many copies, read evenly over 90 days, what is next."""
    with tempfile.TemporaryDirectory() as name:
        clock = SystemClock()
        ledger = SqlLedger(open_engine(f"sqlite:///{name}/ledger.db"), clock, "benchmark")
        ledger.migrate()
        now = clock.now()
        units = [{**row_of(number), "at": now.isoformat()} for number in range(copies)]
        deliveries = [
            {
                "unit": unit["unit"],
                "at": (now - PERIOD * (number / copies)).isoformat(timespec="microseconds"),
            }
            for number, unit in enumerate(units)
        ]
        with ledger.transaction() as connection:
            connection.execute(text(INSERT_UNIT), units)
            connection.execute(text(INSERT_DELIVERY), deliveries)
        readings = SqlKeeping(ledger)
        _, ages_s, days = measured(lambda: len(readings.ages("frdf")))
        _, oldest_s, found = measured(lambda: len(readings.oldest("frdf", now, 50)))
        assert days >= 90
        assert found == 50
    return {
        "what": f"{copies:,} copies in the ledger (SQLite)",
        "sums by day, CPU-s": round(ages_s, 2),
        "the 50 oldest, CPU-s": round(oldest_s, 3),
    }


def row_of(number: int) -> dict[str, Any]:
    """Make one sealed unit."""
    return {"unit": f"LSSTCam/20261121/MC_O_20261121_{number:07d}", "number": number}


INSERT_UNIT = """insert into unit (unit, kind, instrument, day_obs, obs_id, part, expected, arrived, changed_at,
manifest_sha256, size_bytes, files) values (:unit, 'raw', 'LSSTCam', 20261121, :unit, 1, 205, 205, :at, 'x', 6000000000, 2)"""
INSERT_DELIVERY = """insert into delivery (unit, endpoint, state, since_at, version, reason, verified_at)
values (:unit, 'frdf', 'published', :at, 5, 'benchmark', :at)"""


def main() -> None:
    """Print both results as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--bundles", type=int, default=20)
    parser.add_argument("--mebibytes", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--copies", type=int, default=1_000_000)
    given = parser.parse_args()
    print(
        json.dumps(
            compare_rates(given.bundles, given.mebibytes, given.rounds, given.at_once), indent=1
        )
    )
    if given.copies:
        print(json.dumps(ask_ledger(given.copies), indent=1))


if __name__ == "__main__":
    main()
