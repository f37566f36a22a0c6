"""Catch a small earlier night up beside a live one, on a running sandbox; hold the simulation against it.

Lays exposures of tonight into the summit's store, one at a time, first alone and then while an earlier
night is caught up with ``dbb catchup start``; tells the time from landed to published at the archive of both,
and how long the earlier night took. Then `benchmarks/catchup_simulation.py` does the same with the costs of
a task that `benchmarks/task_overhead.py` measured here, and with as many cores as the sandbox really had.

::

    ./sandbox env .venv/bin/python benchmarks/catchup_beside.py --latency-s 1.0 --task-cpu-s 0.5
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include"), str(ROOT)]

from benchmarks.catchup_simulation import Machine, simulate
from benchmarks.latency import await_published, lay_down, published_at
from benchmarks.task_overhead import cpu_s

from dbb.hooks.ledger import SqlLedger
from dbb.model.day_obs import DayObs
from dbb.settings import Settings
from dbb.wiring.base import open_ledger
from sandbox.layout import Layout
from sandbox.lifecycle import Sandbox
from sandbox.night import Night
from sandbox.synthetic_night import NightPlan, make_night

EARLIER = "20261115"


def go_live(
    units: list[str], source: Path, summit: Path, every_s: float, ledger: SqlLedger
) -> list[float]:
    """Lay exposures down, one every so many seconds; give each one's seconds to published."""
    landed = {}
    for unit in units:
        landed[unit] = lay_down(source, summit, unit)
        time.sleep(every_s)
    await_published(ledger, units, ("usdf",))
    told = {unit: published_at(ledger, unit, "usdf") for unit in units}
    return [(at - landed[unit]).total_seconds() for unit, at in told.items() if at is not None]


def say(name: str, seconds: list[float] | tuple[float, ...]) -> None:
    """Print a row of latencies."""
    print(f"| {name} | {statistics.median(seconds):.1f} s | {max(seconds):.1f} s |", flush=True)


def main() -> None:
    """Print what was measured and what was simulated."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--live", type=int, default=8)
    parser.add_argument("--every-s", type=float, default=12)
    parser.add_argument("--earlier", type=int, default=40)
    parser.add_argument("--latency-s", type=float, default=1.0)
    parser.add_argument("--task-cpu-s", type=float, default=0.4)
    given = parser.parse_args()
    layout = Layout.find()
    tonight, night = DayObs.at(dt.datetime.now(dt.UTC)), Night(layout, print, EARLIER)
    ledger = open_ledger(Settings.load(environment=night.env), "benchmark")
    summit = Path(url2pathname(urlsplit(night.env["DBB_STORE_SUMMIT"]).path))
    sandbox = Sandbox(layout)
    with tempfile.TemporaryDirectory() as folder:
        plan = make_night(
            Path(folder), str(tonight),
            exposures=2 * given.live, pixels=16, instruments=("LSSTCam",),
        )  # fmt: skip
        units = [each.unit for each in plan.exposures]
        alone = go_live(units[: given.live], Path(folder), summit, given.every_s, ledger)
        say("tonight alone", alone)
        night.make(["--exposures", str(given.earlier), "--pixels", "16", "--instrument", "LSSTCam"])
        earlier = NightPlan.load(layout.state / f"night-{EARLIER}.plan.json")
        began, used = dt.datetime.now(dt.UTC), sum(cpu_s(sandbox).values())
        command = [str(ROOT / "dbb"), "catchup", "start", "--from", EARLIER, "--to", EARLIER]
        subprocess.run(command, check=True, env={**os.environ, **night.env})
        beside = go_live(units[given.live :], Path(folder), summit, given.every_s, ledger)
        say("tonight beside the earlier night", beside)
        old = [each.unit for each in earlier.exposures]
        await_published(ledger, old, ("usdf",))
        ended = max(at for unit in old if (at := published_at(ledger, unit, "usdf")) is not None)
    took_s = (ended - began).total_seconds()
    went_s = (dt.datetime.now(dt.UTC) - began).total_seconds()
    cores = (sum(cpu_s(sandbox).values()) - used) / went_s
    print(f"the earlier night of {given.earlier}: {took_s:.0f} s; {cores:.2f} cores were used")
    machine = Machine(max(0.5, cores), 4, given.latency_s, given.task_cpu_s)
    size = {"live": given.live, "every_s": given.every_s, "hours": 1.0}
    say("simulated, alone", simulate(machine, earlier=0, **size).latencies)
    model = simulate(machine, earlier=given.earlier, **size)
    say("simulated, beside", model.latencies)
    print(f"simulated, the earlier night: {max(model.caught_up):.0f} s; {os.getloadavg()}")


if __name__ == "__main__":
    main()
