"""Measure the daily calibration flow end to end: where the time goes, and what a kill costs.

Claims: of 25 exposures by all detectors (small pixels) the calibrations are in force at every endpoint
within the 1,200 s, the backbone's share is within its 300 s, and a process that is killed within any
step costs what it had done of that step and a start. The flows are the real ones, over a ledger
(SQLite in a file, or PostgreSQL), POSIX stores, manifests and a Butler an endpoint. Rucio answers from
the memory of a process of its own, which copies between the stores; what the real one takes is in the
table of the DAG. Left out are the two seconds in which files come to rest, the watcher's three, and
Airflow: about a second a task.

::

    python benchmarks/calibration_flow.py [--exposures 1 5 25 50] [--pixels 32] [--amplifiers 2] [--detectors 0]
                                          [--postgres URL] [--kill 25] [--rate 0.073]

``--kill`` names the size of the group at which a process is killed within each step. All exposures but
the last one of a group are published before the watch starts, as they are when a camera takes them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.managers import BaseManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include"), str(ROOT / "tests")]

import psutil  # type: ignore[import-untyped]

from dbb.flows.backbone import Backbone
from dbb.flows.calibration import bring_in, make_calibrations
from dbb.flows.calibration_force import compare
from dbb.flows.calibration_groups import find_work
from dbb.flows.copies import look_for_copies
from dbb.flows.publishing import publish_units
from dbb.model.calibration import BUDGET_S, Step
from dbb.model.delivery import State
from dbb.wiring.base import SystemClock
from support.calibration_site import CalibrationSite
from support.fake_catalog import MemoryCatalog
from support.world import NIGHT, POLICIES, RSES

PLACES = ("usdf", "frdf", "chile")
KEY = b"benchmark"
SERVED = "publish, certified but not said"
"""A moment within *publish*: Butler has committed, and the ledger does not know it yet."""
FULL_MPIX, DETECTORS = 16.0, 205
"""A detector of LSSTCam, and how many of them there are."""


class Server(BaseManager):
    """Serve Rucio's stand-in to the processes that work."""


Server.register("catalog")


class Marking:
    """Pass everything on; say when a step ends."""

    def __init__(self, real: Any, mark: Any) -> None:
        self._real, self._mark = real, mark

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def note_step(self, unit: str, step: Step, began: Any, ended: Any) -> None:
        """Record a step; the next one begins when it has ended."""
        self._real.note_step(unit, step, began, ended)
        following = {Step.WAIT: Step.GATHER, Step.GATHER: Step.PROCESS, Step.PROCESS: Step.INGEST}
        if step in following:
            self._mark(following[step])

    def advance(self, units: Any, endpoint: str, old: State, new: State, reason: str) -> Any:
        """Move deliveries; at a receiver it says which step follows."""
        if endpoint != PLACES[0] and units and new is State.PUBLISHED:
            mark(SERVED)
        done = self._real.advance(units, endpoint, old, new, reason)
        following = {State.ARRIVED: Step.VERIFY, State.VERIFIED: Step.PUBLISH}
        if endpoint != PLACES[0] and done and new in following:
            self._mark(following[new])
        return done


def open_site(folder: Path, ledger_url: str) -> CalibrationSite:
    """Open what is on the disk, with the real clock."""
    site = CalibrationSite(folder, ledger_url, places=PLACES, processes=0, clock=SystemClock())
    server = Server(address=str(folder / "catalog.sock"), authkey=KEY)
    server.connect()
    site.catalog = server.catalog()  # type: ignore[attr-defined]
    return site


_DIE_AT = "CALIBRATION_FLOW_DIES_AT"


# -- what the processes do that are watched --------------------------------------------------------


def mark(step: str) -> None:
    """Tell the parent that a step begins, and what was spent until now.

    A moment is too short for the parent to meet: there the process kills itself.
    """
    if step == SERVED:
        if os.environ.get(_DIE_AT) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return
    own = resource.getrusage(resource.RUSAGE_SELF)
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    print(json.dumps({"step": str(step), "cpu_s": spent}), flush=True)


def work(folder: Path, ledger_url: str, campaign: str, names: Sequence[str]) -> None:
    """Do what the DAG's tasks do for the groups that begin so, from the last exposure's files on."""
    site = open_site(folder, ledger_url)
    for name in names:
        _bring(folder / "held" / name, folder / "summit")
    mark(Step.WAIT)
    site.land()
    backbone = site.backbone()
    backbone = dataclasses.replace(
        backbone,
        calibrations=Marking(backbone.calibrations, mark),
        ledger=Marking(backbone.ledger, mark),
    )
    groups = [
        name
        for name in find_work(backbone, "LSSTCam", NIGHT.value, campaign)
        if name.rsplit("/", 1)[1].startswith(tuple(names))
    ]
    for number, group in enumerate(groups):
        if number:
            mark(Step.GATHER)
        unit = make_calibrations(backbone, site.workshop, group, campaign)
        bring_in(backbone, [unit])
        deliver(backbone, site.catalog)
    if not groups:  # a process that was killed later had them in force at the archive
        deliver(backbone, site.catalog)
    mark("end")


def deliver(backbone: Backbone, catalog: Any) -> None:
    """Do what Rucio and the DAG `deliver` do: whatever an endpoint lacks, whoever made it."""
    mark(Step.REPLICATE)
    catalog.run_daemons()
    for place in PLACES[1:]:
        mark(Step.REPLICATE)
        publish_units(backbone, look_for_copies(backbone, place).work, place)


def prepare(folder: Path, ledger_url: str) -> None:
    """Publish the exposures that came before the last one of each group."""
    open_site(folder, ledger_url).land()


def _bring(held: Path, summit: Path) -> None:
    """Have the files appear that were kept back."""
    for path in sorted(held.rglob("*.*")):
        target = summit / path.relative_to(held)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


# -- the one who watches ---------------------------------------------------------------------------


@dataclass
class Watch:
    """Hold what one process took, by step."""

    wall_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    cpu_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    peak_mib: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    total_s: float = 0.0
    killed_in: str = ""


def watch(
    words: Sequence[str], kill_in: str = "", usual_s: Mapping[str, float] | None = None
) -> Watch:
    """Start this script to do something; measure it, and kill it half-way through a step."""
    seen, now = Watch(), SimpleNamespace(step="start", since=time.monotonic(), cpu=0.0)
    begun = now.since
    child = subprocess.Popen(
        [sys.executable, __file__, *words],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {_DIE_AT: kill_in},
    )
    over = threading.Event()
    sampler = threading.Thread(target=_sample, args=(child.pid, now, seen, over))
    sampler.start()
    timer: threading.Timer | None = None
    assert child.stdout is not None
    for line in child.stdout:
        told = json.loads(line)
        at = time.monotonic()
        seen.wall_s[now.step] += at - now.since
        seen.cpu_s[now.step] += told["cpu_s"] - now.cpu
        now.step, now.since, now.cpu = told["step"], at, told["cpu_s"]
        if now.step == kill_in and timer is None:
            timer = threading.Timer(_moment_s(kill_in, usual_s or {}), _kill, (child, now, seen))
            timer.start()
    code = child.wait()
    if timer:
        timer.join()
    over.set()
    sampler.join()
    seen.total_s = time.monotonic() - begun
    if code == -signal.SIGKILL and kill_in == SERVED:
        seen.killed_in = SERVED
    if code and not seen.killed_in:
        raise SystemExit(f"{words[0]} ended with {code}")
    return seen


def _moment_s(step: str, usual_s: Mapping[str, float]) -> float:
    """Say how long after its begin a step is killed: half-way, a short one soon enough to be met."""
    half_s = usual_s.get(step, 0) / 2
    return half_s if step in (Step.GATHER, Step.PROCESS) else min(half_s, 0.2)


def _kill(child: subprocess.Popen[str], now: Any, seen: Watch) -> None:
    if child.poll() is None:
        seen.killed_in = now.step
        child.kill()


def _sample(pid: int, now: Any, seen: Watch, over: threading.Event) -> None:
    """Note the most memory that the process and those it started have, ten times a second."""
    while not over.wait(0.1):
        try:
            top = psutil.Process(pid)
            family = [top, *top.children(recursive=True)]
            held = sum(each.memory_info().rss for each in family) / 2**20
        except psutil.NoSuchProcess:
            continue
        seen.peak_mib[now.step] = max(seen.peak_mib[now.step], held)


def check(folder: Path, ledger_url: str, campaign: str, detectors: int, groups: int) -> None:
    """Stop where a set is not whole and equal at each endpoint, or anything was done twice."""
    site = open_site(folder, ledger_url)
    rows = [row for row in compare(site.backbone(), "LSSTCam") if row.collection.endswith(campaign)]
    assert [row.verdict for row in rows] == ["equal"] * len(PLACES), rows
    assert {row.ranges for row in rows} == {detectors * groups}, rows
    attempts = [each for each in site.calibrations.attempts() if each.campaign == campaign]
    assert [each.accepted for each in attempts] == [True] * groups
    for attempt in attempts:
        for place in PLACES:
            told = [
                event
                for event in site.ledger.events(attempt.unit)
                if event.endpoint == place and event.new_state is State.PUBLISHED
            ]
            assert len(told) == 1, told
    assert set(site.codes()) <= {"incomplete-group"}, (
        "the last exposures of the others are kept back"
    )


def make_camera_files(folder: Path, given: argparse.Namespace) -> dict[int, str]:
    """Write the sequences; keep the last exposure of each back."""
    site = open_site(folder, "sqlite://")
    names, first = {}, 1
    imaging = [each for each in site.cameras["LSSTCam"].detectors if each.dataset_type == "raw"]
    chosen = [each.name_in_files for each in imaging[: given.detectors]] if given.detectors else ()
    sizes = [*given.exposures, *([1] if given.kill else [])]
    for number, size in enumerate(sizes):
        site.shoot(
            "bias", first, exposures=size, detectors=chosen, pixels=given.pixels,
            amplifiers=given.amplifiers,
        )  # fmt: skip
        group = f"bias-O{first}"
        is_to_be_killed = number == len(given.exposures)
        names[0 if is_to_be_killed else size] = group
        last = f"{first + size - 1:06d}"
        for path in sorted((folder / "summit").rglob(f"*_{last}*")):
            if path.is_file():
                target = folder / "held" / group / path.relative_to(folder / "summit")
                target.parent.mkdir(parents=True, exist_ok=True)
                path.rename(target)
        first += size
    return names


def table(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows as a table."""
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    print(flush=True)


def steps_of(seen: Watch) -> list[dict[str, object]]:
    """Give the steps as rows of a table."""
    rows: list[dict[str, object]] = [
        {
            "step": step,
            "budget_s": BUDGET_S[step],
            "wall_s": round(seen.wall_s[step], 2),
            "cpu_s": round(seen.cpu_s[step], 2),
            "peak_mib": round(seen.peak_mib[step]),
        }
        for step in Step
    ]
    backbone = [step for step in Step if step is not Step.PROCESS]
    for name, chosen, limit in (("backbone", backbone, 300), ("all", list(Step), 1200)):
        rows.append(
            {
                "step": name,
                "budget_s": limit,
                "wall_s": round(sum(seen.wall_s[step] for step in chosen), 2),
                "cpu_s": round(sum(seen.cpu_s[step] for step in chosen), 2),
                "peak_mib": round(max(seen.peak_mib[step] for step in chosen)),
            }
        )
    return rows


def main() -> None:
    """Print the tables, then the same as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--exposures", type=int, nargs="+", default=[1, 5, 25, 50])
    parser.add_argument("--pixels", type=int, default=32, help="rows and columns of an amplifier")
    parser.add_argument("--amplifiers", type=int, default=2)
    parser.add_argument("--detectors", type=int, default=0, help="how many; 0: all")
    parser.add_argument(
        "--postgres", default="", metavar="URL", help="of a database for the ledger"
    )
    parser.add_argument("--kill", type=int, default=25, metavar="EXPOSURES", help="0: nobody")
    parser.add_argument("--rate", type=float, default=0.073, help="of the payload, CPU s per Mpix")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ledger_url = given.postgres or f"sqlite:///{folder}/ledger.db"
        memory: dict[str, Any] = {}
        for place in ("summit", *RSES):
            (folder / place).mkdir()
        Server.register("catalog", lambda: memory["catalog"], exposed=_PORTS)
        from dbb.hooks.posix_store import PosixStore  # noqa: PLC0415

        stores = {rse: PosixStore(folder / place) for place, rse in RSES.items()}
        memory["catalog"] = MemoryCatalog(stores, (POLICIES, RSES))
        server = Server(address=str(folder / "catalog.sock"), authkey=KEY)
        server.start()
        try:
            measure(folder, ledger_url, given)
        finally:
            server.shutdown()


_PORTS = [
    "register", "ensure_rules", "locks", "rules", "replicas", "datasets_of", "hurry", "take_from",
    "drop_rules", "declare_bad", "run_daemons",
]  # fmt: skip


def measure(folder: Path, ledger_url: str, given: argparse.Namespace) -> None:
    """Measure groups of each size, then the kills."""
    names = make_camera_files(folder, given)
    shutil.rmtree(folder / "scratch", ignore_errors=True)
    place = [str(folder), ledger_url]
    camera = open_site(folder, ledger_url).cameras["LSSTCam"].detectors
    detectors = given.detectors or sum(each.dataset_type == "raw" for each in camera)
    pixels = given.amplifiers * given.pixels**2
    print(
        f"{given.detectors or len(camera)} detectors of {pixels} pixels, calibrations of {detectors}, {os.cpu_count()} cores"
    )
    told: dict[str, Any] = {}
    raw = watch(["prepare", *place])
    print(f"the exposures before: {raw.total_s:.0f} s\n", flush=True)
    usual: Mapping[str, float] = {}
    for size in given.exposures:
        campaign = f"size{size}"
        seen = watch(["work", *place, campaign, names[size]])
        check(folder, ledger_url, campaign, detectors, -(-size // 25))
        print(f"{size} exposures; a process starts within {seen.wall_s['start']:.1f} s")
        table(steps_of(seen))
        told[campaign] = steps_of(seen)
        if size == given.kill:
            usual = dict(seen.wall_s)
    if given.kill:
        rows = []
        for number, step in enumerate((*Step, SERVED)):
            name = names[0] if step is Step.WAIT else names[given.kill]
            campaign = f"kill{number}"
            killed = watch(["work", *place, campaign, name], str(step), usual)
            again = watch(["work", *place, campaign, name])
            check(folder, ledger_url, campaign, detectors, 1)
            rows.append(
                {
                    "killed in": killed.killed_in or "not reached",
                    "exposures": 1 if step is Step.WAIT else given.kill,
                    "until killed, s": round(killed.total_s, 1),
                    "again, s": round(again.total_s, 1),
                    "in all, s": round(killed.total_s + again.total_s, 1),
                }
            )
            print(rows[-1], file=sys.stderr)
        table(rows)
        told["kills"] = rows
    images = FULL_MPIX * DETECTORS * 25
    spent = images * given.rate
    print(
        f"full pixels: {images:.0f} Mpix at {given.rate} CPU s each: {spent / 3600:.2f} CPU-hours"
    )
    print(json.dumps(told))


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(Path(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:])
    elif sys.argv[1:2] == ["prepare"]:
        prepare(Path(sys.argv[2]), sys.argv[3])
    else:
        main()
