"""Simulate a day: tonight's exposures, and an earlier night that is caught up beside them.

Claim: an earlier night of 2,800 exposures comes back within 24 h, and tonight is not delayed by it.

A discrete-event simulation of what decides it: pools (``include/pools.json``), priorities, one run of tonight's
DAG at a time and the pace of its watcher, chunks, a fixed latency between two tasks, and cores that all
running tasks share, those that can wait with the niceness that they have. A task's CPU time is Airflow's part and so much for each exposure, as measured
(`docs/performance.md`). Each exposure is landed, registered, published at the archive, read again and
released; `deliver` reads and publishes it at two more endpoints, whatever night it is of.

`benchmarks/catchup_beside.py` holds it against a small real run.

::

    python benchmarks/catchup_simulation.py [--cores 2] [--parallelism 8] [--full-pixels]
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import math
import statistics
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins")]

from dbb.operators.task_defaults import BACKGROUND, NICENESS
from dbb.settings import Settings
from dbb.triggers.arrivals import ArrivalTrigger
from dbb.triggers.pace import Pace

LAND, REGISTER, PUBLISH, READ, RELEASE = 0.40, 0.034, 0.095, 0.05, 0.037
"""CPU-seconds an exposure of 205 small files, of `benchmarks/transfer_steps.py`."""
RECEIVE = 0.115
"""The same for reading again and publishing at a receiver."""
GIGABYTES = 3.3
"""An exposure with all pixels, as in `benchmarks/policy_volume.py`."""
TONIGHT, DELIVERY, EARLIER = 100, 80, 1
"""Priorities of the DAGs: the greater goes first."""
EARLIER_POOL = "catchup"
WEIGHT_OF_A_STEP = 1.25
"""Linux gives a process so many times the processor of one that is nicer by one (man 7 sched)."""


@dataclass(frozen=True)
class Machine:
    """What tasks run on.

    Parameters
    ----------
    cores, parallelism
        Processors that all tasks share; tasks at once.
    latency_s, task_cpu_s
        From the end of a task to the begin of the next of its run; CPU time of a task without work.
    byte_cpu_s
        CPU-seconds to read a gigabyte and to compute its digests.
    """

    cores: float
    parallelism: int
    latency_s: float
    task_cpu_s: float
    byte_cpu_s: float = 0.0


@dataclass(order=True)
class Task:
    """One task that waits or runs; those of higher priority come first."""

    rank: tuple[int, int]
    pool: str = field(compare=False)
    cpu_s: float = field(compare=False)
    weight: float = field(compare=False)
    then: Callable[[], None] = field(compare=False)


class Simulation:
    """Run tasks in order of priority within their pools, all sharing the cores."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.now = 0.0
        pools = json.loads((ROOT / "include" / "pools.json").read_text())
        self.free = {name: pool["slots"] for name, pool in pools.items()}
        self.waiting: list[Task] = []
        self.running: list[Task] = []
        self.later: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def at(self, time_s: float, action: Callable[[], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self.later, (time_s, next(self._number), action))

    def start(self, priority: int, pool: str, cpu_s: float, then: Callable[[], None]) -> None:
        """Have a task queued after Airflow's latency, and something done at its end."""
        rank = (-priority, next(self._number))
        weight = WEIGHT_OF_A_STEP**-NICENESS if priority < BACKGROUND else 1.0
        task = Task(rank, pool, cpu_s + self.machine.task_cpu_s, weight, then)
        self.at(self.now + self.machine.latency_s, lambda: heapq.heappush(self.waiting, task))

    def chain(
        self, priority: int, pool: str, works: Sequence[float], then: Callable[[int], None]
    ) -> None:
        """Run tasks one after another; a later one goes before a run that begins."""

        def go_on(step: int) -> None:
            if step:
                then(step - 1)
            if step < len(works):
                self.start(priority + step, pool, works[step], lambda: go_on(step + 1))

        go_on(0)

    def run(self, until_s: float) -> None:
        """Let time pass."""
        while self.now < until_s:
            self._take()
            speeds = self._speeds()
            end_s = min(
                (task.cpu_s / speed for task, speed in zip(self.running, speeds, strict=True)),
                default=math.inf,
            )
            event_s = self.later[0][0] - self.now if self.later else math.inf
            step_s = min(end_s, event_s, until_s - self.now)
            self.now += step_s
            for task, speed in zip(self.running, speeds, strict=True):
                task.cpu_s -= step_s * speed
            done = [task for task in self.running if task.cpu_s <= 1e-9]
            self.running = [task for task in self.running if task.cpu_s > 1e-9]
            for task in done:
                self.free[task.pool] += 1
                task.then()
            while self.later and self.later[0][0] <= self.now + 1e-9:
                time_s, _, action = heapq.heappop(self.later)
                self.now = max(self.now, time_s)
                action()

    def _speeds(self) -> list[float]:
        """Share the cores by weight, at most one to a task; the heaviest are first in ``running``."""
        self.running.sort(key=lambda task: -task.weight)
        cores, weights, speeds = self.machine.cores, sum(t.weight for t in self.running), []
        for task in self.running:
            speeds.append(min(1.0, cores * task.weight / weights))
            cores -= speeds[-1]
            weights -= task.weight
        return speeds

    def _take(self) -> None:
        left = []
        while self.waiting and len(self.running) < self.machine.parallelism:
            task = heapq.heappop(self.waiting)
            if self.free[task.pool]:
                self.free[task.pool] -= 1
                self.running.append(task)
            else:
                left.append(task)
        for task in left:
            heapq.heappush(self.waiting, task)


class Backbone:
    """The DAGs of raw exposures, tonight's and an earlier night's, and the endpoints' deliveries."""

    def __init__(self, machine: Machine) -> None:
        self.sim = Simulation(machine)
        self.bytes_s = GIGABYTES * machine.byte_cpu_s
        self.chunk = Settings.load().raw.chunk_exposures
        self.published: dict[int, float] = {}
        self.caught_up: list[float] = []
        self._new: deque[int] = deque()
        self._copies: dict[str, int] = {"frdf": 0, "ukdf": 0}
        self._busy = {"tonight": False, "frdf": False, "ukdf": False}
        trigger = ArrivalTrigger()
        self._pace = Pace(saved=trigger.saved, rest_s=trigger.rest_s, clock=lambda: self.sim.now)
        self._may_wake_s = 0.0

    def works(self, number: int) -> list[float]:
        """Give the CPU time of the steps of a chunk: land, judge, register, publish, read, release."""
        each = (LAND + 2 * self.bytes_s, 0.0, REGISTER, PUBLISH, READ + self.bytes_s, RELEASE)
        return [number * work for work in each]

    # -- tonight

    def arrive(self, exposure: int) -> None:
        """Let an exposure come to rest at the summit."""
        self._new.append(exposure)
        self._wake()

    def _wake(self) -> None:
        if not self._new or self._busy["tonight"]:
            return
        if self.sim.now < self._may_wake_s:
            self.sim.at(self._may_wake_s, self._wake)
            return
        self._may_wake_s = self.sim.now + self._pace.call()
        self._busy["tonight"] = True
        self.sim.start(TONIGHT, "raw", 0.1, self._transfer)

    def _transfer(self) -> None:
        taken = list(self._new)
        self._new.clear()
        chunks = [taken[n : n + self.chunk] for n in range(0, len(taken), self.chunk)]
        open_chunks = [len(chunks)]

        def end_of(chunk: list[int]) -> Callable[[int], None]:
            def after(step: int) -> None:
                if step == 3:
                    self.published.update(dict.fromkeys(chunk, self.sim.now))
                    self._copy(len(chunk))
                if step == 5:
                    open_chunks[0] -= 1
                    if not open_chunks[0]:
                        self.sim.start(TONIGHT + 6, "raw", 0.1, self._end)

            return after

        for chunk in chunks:
            self.sim.chain(TONIGHT + 1, "raw", self.works(len(chunk)), end_of(chunk))

    def _end(self) -> None:
        self._busy["tonight"] = False
        self._wake()

    # -- an earlier night

    def catch_up(self, exposures: int) -> None:
        """Start the run of a night that comes back."""
        for first in range(0, exposures, self.chunk):
            number = min(self.chunk, exposures - first)

            def after(step: int, number: int = number) -> None:
                if step == 3:
                    self.caught_up += [self.sim.now] * number
                    self._copy(number)

            self.sim.chain(EARLIER, EARLIER_POOL, self.works(number), after)

    # -- the endpoints

    def _copy(self, number: int) -> None:
        for place in self._copies:
            self._copies[place] += number
            self._deliver(place)

    def _deliver(self, place: str) -> None:
        if self._busy[place] or not self._copies[place]:
            return
        self._busy[place] = True
        number, self._copies[place] = self._copies[place], 0
        chunks = [min(self.chunk, number - n) for n in range(0, number, self.chunk)]
        left = [len(chunks)]

        def end() -> None:
            left[0] -= 1
            if not left[0]:
                self._busy[place] = False
                self._deliver(place)

        def publish() -> None:
            for size in chunks:
                self.sim.start(DELIVERY + 1, "delivery", size * (RECEIVE + self.bytes_s), end)

        self.sim.start(DELIVERY, "delivery", 0.1, publish)


@dataclass(frozen=True)
class Outcome:
    """What came of a day: seconds from arrival to published, and when the earlier night was."""

    latencies: tuple[float, ...]
    caught_up: tuple[float, ...]

    def quantile(self, share: float) -> float:
        """Give the latency that so large a share keeps."""
        return sorted(self.latencies)[max(0, math.ceil(share * len(self.latencies)) - 1)]


def simulate(
    machine: Machine,
    live: int,
    every_s: float,
    earlier: int,
    hours: float = 24,
    settle_s: float = 5,
) -> Outcome:
    """Let a day pass: so many exposures tonight, one every so many seconds, and an earlier night."""
    backbone = Backbone(machine)
    landed = {n: n * every_s for n in range(live)}
    for exposure, at_s in landed.items():
        backbone.sim.at(at_s + settle_s, lambda n=exposure: backbone.arrive(n))  # type: ignore[misc]
    if earlier:
        backbone.catch_up(earlier)
    backbone.sim.run(hours * 3600)
    latencies = tuple(at - landed[n] for n, at in backbone.published.items())
    return Outcome(latencies, tuple(backbone.caught_up))


def machines(given: argparse.Namespace) -> Iterator[tuple[str, Machine]]:
    """Name the machines of the table."""
    small = Machine(given.cores, given.parallelism, given.latency_s, given.task_cpu_s)
    yield f"{given.cores:g} cores, small pixels", small
    if given.full_pixels:
        for cores in (2.0, 4.0, 8.0):
            yield (
                f"{cores:g} cores, all pixels",
                Machine(
                    cores,
                    max(8, int(4 * cores)),
                    given.latency_s,
                    given.task_cpu_s,
                    given.byte_cpu_s,
                ),
            )


def main() -> None:
    """Print a day with and without an earlier night."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--cores", type=float, default=2)
    parser.add_argument("--parallelism", type=int, default=8)
    parser.add_argument("--latency-s", type=float, default=1.0)
    parser.add_argument("--task-cpu-s", type=float, default=0.4)
    parser.add_argument(
        "--byte-cpu-s", type=float, default=1.0, help="a gigabyte, read and digested"
    )
    parser.add_argument("--live", type=int, default=2800)
    parser.add_argument("--every-s", type=float, default=12.2)
    parser.add_argument("--earlier", type=int, default=2800)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--full-pixels", action="store_true")
    given = parser.parse_args()
    print(
        "| on | tonight alone: p50, p95 | beside the earlier night | earlier exposures in 24 h | done after |"
    )
    print("|---|---|---|---|---|")
    for name, machine in machines(given):
        alone = simulate(machine, given.live, given.every_s, 0, given.hours)
        beside = simulate(machine, given.live, given.every_s, given.earlier, given.hours)
        assert len(beside.latencies) == len(alone.latencies), "tonight was not finished"
        words = [
            f"{statistics.median(each.latencies):.1f} s, {each.quantile(0.95):.1f} s"
            for each in (alone, beside)
        ]
        done = f"{max(beside.caught_up, default=0) / 3600:.2f} h"
        print(f"| {name} | {' | '.join(words)} | {len(beside.caught_up)} | {done} |")


if __name__ == "__main__":
    main()
