"""Measure how long each page takes in the server, over a ledger of ten years of nights.

Claim: the 95th percentile of every page is under 300 ms of server time, with a night of 3,250 exposures at the source
and four endpoints, and ten years of other nights.

It fills an empty database of PostgreSQL or SQLite (``--fill``), notes the sums that ``buffer_watch`` notes every hour, and
then asks the application itself, without a network between.

::

    python benchmarks/pages.py --url postgresql+psycopg://… --fill [--nights 3650] [--exposures 100] [--year 1000]
    python benchmarks/pages.py --url postgresql+psycopg://… [--rounds 50]
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import resource
import statistics
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT)]

from benchmarks.ten_years import LASTS, fill

from dbb.flows.outage_history import note_published
from dbb.flows.sums import budget_sum, note_sum, replicas_sum
from dbb.model.day_obs import DayObs
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone
from dbb.wiring.base import open_ledger
from dbb.wiring.pages import open_outages, open_views


def note(settings: Settings) -> None:
    """Note what the DAG ``buffer_watch`` notes every hour."""
    backbone = open_backbone(settings, "benchmark")
    views = open_views(backbone)
    note_sum(backbone, "budget", budget_sum(backbone, views.keeping, views.drills))
    note_sum(
        backbone,
        "replicas",
        replicas_sum(backbone, views.keeping, views.page, settings.reread_days),
    )
    note_published(backbone, open_outages(backbone))


def measure(tonight: DayObs, rounds: int, only: str) -> None:
    """Ask for each page so often, or for one; print the times within the application."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from airflow.api_fastapi.core_api.security import get_user  # noqa: PLC0415
        from fastapi.testclient import TestClient  # noqa: PLC0415

        from dbb.web import app as pages  # noqa: PLC0415
        from dbb.web.access import can_decide, may_read, name_of  # noqa: PLC0415
        from dbb.web.layout import PAGES  # noqa: PLC0415
    app = pages.make_app()
    app.dependency_overrides[get_user] = lambda: None
    for guard in (may_read, can_decide, name_of):
        app.dependency_overrides[guard] = lambda: "anne"
    client = TestClient(app)
    obs_id = f"MC_O_{tonight}_000007"
    addresses = ["/nights", f"/night/{tonight}", f"/night/{tonight}?page=20", f"/exposure/{obs_id}"]
    addresses += [f"/{name}" for name in PAGES if name != "nights"]
    print("page\tp50_ms\tp95_ms\tmax_ms\tcpu_p50_ms\tcpu_p95_ms\tfirst_ms\tkB")
    for address in [each for each in addresses if only in ("", each)]:
        times, cpus = [], []
        for _ in range(rounds + 1):
            began, used = time.perf_counter(), _cpu()
            answer = client.get(address)
            times.append(1000 * (time.perf_counter() - began))
            cpus.append(1000 * (_cpu() - used))
            assert answer.status_code == 200, (address, answer.status_code, answer.text[-600:])
        first, *rest = times
        by_clock = (statistics.median(rest), statistics.quantiles(rest, n=20)[-1], max(rest))
        by_cpu = (statistics.median(cpus[1:]), statistics.quantiles(cpus[1:], n=20)[-1])
        numbers = (*by_clock, *by_cpu, first, len(answer.content) / 1000)
        print("\t".join([address, *(f"{number:.0f}" for number in numbers)]))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Fill or measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--nights", type=int, default=3650)
    parser.add_argument("--exposures", type=int, default=100)
    parser.add_argument("--year", type=int, default=1000, help="exposures a night of the last one")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--page", default="", help="only this one, for example /outages")
    given = parser.parse_args()
    os.environ["DBB_LEDGER_URL"] = given.url
    tonight = DayObs.at(dt.datetime.now(dt.UTC) - LASTS)
    if given.fill:
        fill(
            open_ledger(Settings.load(), "benchmark"),
            tonight,
            given.nights,
            given.exposures,
            given.year,
        )
        note(Settings.load())
    else:
        measure(tonight, given.rounds, given.page)


if __name__ == "__main__":
    main()
