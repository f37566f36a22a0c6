"""Measure how long an exposure takes from its last file at the summit to queryable.

Claim: a 205-file exposure that lands during the night is queryable in the archive's Butler within
60 s (95th percentile), with Airflow, Rucio, PostgreSQL and both Butlers on one two-core machine.

Needs ``./sandbox up``; lays exposures of tonight into the summit's store, one at a time, and reads
the ledger's times. The DAG ``raw_tonight`` does the rest by itself.

::

    python benchmarks/latency.py [--exposures 12] [--every 40] [--pixels 64]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include")]

from dbb.hooks.ledger import SqlLedger
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.settings import Settings
from dbb.wiring.base import open_ledger
from sandbox import rest
from sandbox.layout import Layout
from sandbox.night import Night
from sandbox.synthetic_night import make_night

DAG = "raw_tonight"
PATIENCE_S = 300


def lay_down(source: Path, summit: Path, unit: str) -> dt.datetime:
    """Move an exposure's files to the summit as the camera does, the list last; give the time."""
    target = summit / unit
    target.mkdir(parents=True)
    for path in sorted((source / unit).iterdir(), key=lambda path: "_expected" in path.name):
        copy = target / f".{path.name}.part"
        copy.write_bytes(path.read_bytes())
        copy.rename(target / path.name)
    return dt.datetime.now(dt.UTC)


def published_at(ledger: SqlLedger, unit: str, endpoint: str) -> dt.datetime | None:
    """Tell when the ledger published a unit at an endpoint."""
    for event in ledger.events(unit):
        if event.endpoint == endpoint and event.new_state is State.PUBLISHED:
            return event.at
    return None


def await_published(ledger: SqlLedger, units: Sequence[str], endpoints: Sequence[str]) -> None:
    """Wait until all units are published at all endpoints."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if all(published_at(ledger, unit, place) for unit in units for place in endpoints):
            return
        time.sleep(2)
    raise SystemExit("some exposures were never published: look at the DAG raw_tonight")


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Give median, 95th percentile (nearest rank) and maximum."""
    ordered = sorted(seconds)
    rank = max(0, -(-95 * len(ordered) // 100) - 1)
    return {
        "p50_s": round(statistics.median(ordered), 1),
        "p95_s": round(ordered[rank], 1),
        "max_s": round(ordered[-1], 1),
    }


def task_costs(night: Night, since: dt.datetime) -> list[dict[str, Any]]:
    """List the task instances of the DAG since a time that did something."""
    api = f"{night.env['DBB_AIRFLOW_URL']}/api/v2/dags/{DAG}/dagRuns/~/taskInstances"
    stamp = since.strftime("%Y-%m-%dT%H:%M:%SZ").replace(":", "%3A")
    found, offset = [], 0
    while True:
        url = f"{api}?limit=100&offset={offset}&start_date_gte={stamp}&state=success"
        page = rest.call("GET", url, token=night.token())
        found += page["task_instances"]
        offset += 100
        if offset >= page["total_entries"]:
            return found


def main() -> None:
    """Print a table, then the same as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--exposures", type=int, default=12)
    parser.add_argument("--every", type=float, default=40, help="seconds between two exposures")
    parser.add_argument("--pixels", type=int, default=64)
    given = parser.parse_args()
    tonight = DayObs.at(dt.datetime.now(dt.UTC))
    night = Night(Layout.find(), print, str(tonight))
    night.prepare()
    ledger = open_ledger(Settings.load(environment=night.env), "benchmark")
    summit = Path(url2pathname(urlsplit(night.env["DBB_STORE_SUMMIT"]).path))
    known = {row.unit for row in ledger.units_of_night("LSSTCam", tonight.value)}
    landed: dict[str, dt.datetime] = {}
    begin = dt.datetime.now(dt.UTC)
    with tempfile.TemporaryDirectory() as folder:
        plan = make_night(
            Path(folder), str(tonight),
            exposures=len(known) + given.exposures, pixels=given.pixels, instruments=("LSSTCam",),
        )  # fmt: skip
        new = [each.unit for each in plan.exposures if each.unit not in known]
        for unit in new[: given.exposures]:
            landed[unit] = lay_down(Path(folder), summit, unit)
            print(f"{unit} landed", flush=True)
            time.sleep(given.every)
    await_published(ledger, list(landed), ("usdf", "frdf"))
    rows = {
        endpoint: summary(
            [
                (at - time_landed).total_seconds()
                for unit, time_landed in landed.items()
                if (at := published_at(ledger, unit, endpoint)) is not None
            ]
        )
        for endpoint in ("usdf", "frdf")
    }
    tasks = task_costs(night, begin)
    per_exposure = {
        "tasks": round(len(tasks) / len(landed), 1),
        "task_seconds": round(sum(task["duration"] or 0 for task in tasks) / len(landed), 1),
    }
    print("| landed to queryable at | p50 s | p95 s | max s |\n|---|---|---|---|")
    for endpoint, row in rows.items():
        print(f"| {endpoint} | {row['p50_s']} | {row['p95_s']} | {row['max_s']} |")
    print(json.dumps({"exposures": len(landed), "latency": rows, "per_exposure": per_exposure}))


if __name__ == "__main__":
    main()
