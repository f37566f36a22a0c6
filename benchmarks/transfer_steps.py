"""Measure each step of the raw transfer over the real parts, Airflow left out.

Claim: an endpoint takes in 1,300 or more raw datasets per CPU-second of the worker, everything
included: asking for the manifest, re-reading every byte from the disk and hashing it, the Butler on
PostgreSQL, the ledger on PostgreSQL. (Batches of 50 without any of that: 536, the public service.)

Needs ``./sandbox up --only storage``; uses a night and a summit of its own.

::

    python benchmarks/transfer_steps.py [--exposures 20] [--pixels 16]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include")]

from dbb.flows.arrivals import receive_arrivals
from dbb.flows.backbone import Backbone
from dbb.flows.copies import look_for_copies
from dbb.flows.gating import apply_gate, find_ungated
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.flows.releasing import read_again, release_units
from dbb.model.day_obs import DayObs
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone
from sandbox import rest
from sandbox.envfile import read_env
from sandbox.layout import Layout
from sandbox.prepare import prepare
from sandbox.synthetic_night import make_night


def usage() -> tuple[float, float]:
    """Give CPU-seconds of this process, and the wall clock."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, time.monotonic()


def measure(rows: list[dict[str, Any]], step: str, datasets: int, work: Callable[[], Any]) -> Any:
    """Do one step and note what it cost."""
    cpu, wall = usage()
    result = work()
    cpu_after, wall_after = usage()
    cost = cpu_after - cpu
    rows.append(
        {
            "step": step,
            "cpu_s": round(cost, 3),
            "wall_s": round(wall_after - wall, 3),
            "datasets_per_cpu_s": round(datasets / cost),
        }
    )
    return result


def unused_night(backbone: Backbone) -> DayObs:
    """Name a night of the past that the ledger does not know."""
    day_obs = DayObs(20200101)
    while backbone.ledger.units_of_night("LSSTCam", day_obs.value):
        day_obs = day_obs.next()
    return day_obs


def await_copies(backbone: Backbone, units: list[str], endpoint: str, cycle_url: str) -> None:
    """Let Rucio's daemons and the copy service work until every copy is there."""
    while len(look_for_copies(backbone, endpoint, units).work) < len(units):
        rest.call("POST", cycle_url, body={}, timeout_s=300)


def run(given: argparse.Namespace, environment: dict[str, str]) -> list[dict[str, Any]]:
    """Move one night; give a row a step."""
    settings = Settings.load(environment=environment)
    prepare(settings)
    backbone = open_backbone(settings, "benchmark")
    night = unused_night(backbone)
    make_night(
        Path(environment["SUMMIT"]), str(night),
        exposures=given.exposures, pixels=given.pixels, instruments=("LSSTCam",),
    )  # fmt: skip
    then = time.time() - 60
    for path in Path(environment["SUMMIT"]).rglob("*.*"):
        os.utime(path, (then, then))
    rows: list[dict[str, Any]] = []
    number = 205 * given.exposures
    units = measure(rows, "look", number, lambda: receive_arrivals(backbone, night).work)
    measure(rows, "check and land", number, lambda: land_units(backbone, units))
    apply_gate(backbone, [row.unit for row, _ in find_ungated(backbone, units)], {})
    measure(rows, "register, ask for copies", number, lambda: register_units(backbone, units))
    measure(rows, "publish at the archive", number, lambda: publish_units(backbone, units, "usdf"))
    await_copies(backbone, units, "frdf", environment["DBB_RUCIO_CYCLE_URL"])
    measure(
        rows,
        "re-read, publish at a receiver",
        number,
        lambda: publish_units(backbone, units, "frdf"),
    )
    measure(rows, "read again", number, lambda: read_again(backbone, units))
    measure(rows, "release", number, lambda: release_units(backbone, units))
    measure(rows, "look again", number, lambda: receive_arrivals(backbone, night))
    return rows


def main() -> None:
    """Print a table, then the same as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--exposures", type=int, default=20)
    parser.add_argument("--pixels", type=int, default=16)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as summit:
        environment = {
            **read_env(Layout.find().env_file),
            "DBB_STORE_SUMMIT": Path(summit).as_uri(),
            "SUMMIT": summit,
        }
        rows = run(given, environment)
    peak_mib = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print("| step | CPU s | wall s | datasets per CPU-s |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['step']} | {row['cpu_s']} | {row['wall_s']} | {row['datasets_per_cpu_s']} |")
    print(json.dumps({"exposures": given.exposures, "peak_mib": peak_mib, "steps": rows}))


if __name__ == "__main__":
    main()
