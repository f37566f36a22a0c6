"""Run Rucio's daemons one after the other, in the process of the server.

Production runs each as a process of its own. Here one cycle calls each once, in the order in which
work flows from one to the next, so that a test can say "now" instead of waiting.
"""

from __future__ import annotations

import functools
import importlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LOG = logging.getLogger("dbb.rucio.daemons")


def remove_partition_waits() -> None:
    """Null the seconds that each daemon waits for others to share the work: there are none.

    Must run before any daemon module is imported, because they bind the function by name.
    """
    common: Any = importlib.import_module("rucio.daemons.common")

    original = common.db_workqueue

    @functools.wraps(original)
    def without_wait(*args: Any, **kwargs: Any) -> Any:
        kwargs["partition_wait_time"] = 0
        return original(*args, **kwargs)

    common.db_workqueue = without_wait


def remove_retry_waits() -> None:
    """Let the repairer retry a stuck transfer whenever it runs, instead of two hours later.

    How often the repairer runs in the sandbox is `RucioSetting.repair_every_s`.
    """
    grouping = importlib.import_module("rucio.core.rule_grouping")
    setattr(grouping, "__is_retry_required", lambda **_: True)


@dataclass
class Daemon:
    """Hold one daemon's worker, and how often a cycle includes it."""

    name: str
    work: Callable[[], Any]
    every_s: float = 0.0
    due_at: float = 0.0


def load_daemons(repair_every_s: float) -> list[Daemon]:
    """Import the daemons and give them in the order of one cycle."""

    def worker(module: str, function: str, **arguments: Any) -> Callable[[], Any]:
        found = getattr(importlib.import_module(f"rucio.daemons.{module}"), function)
        return functools.partial(found, once=True, **arguments)

    def fresh(module: str, function: str, **arguments: Any) -> Callable[[], Any]:
        """Forget first what the daemon cached: that there was nothing to do, for up to ten minutes."""
        work = worker(module, function, **arguments)
        region = importlib.import_module(f"rucio.daemons.{module}").REGION

        def forget_and_work() -> None:
            region.invalidate()
            work()

        return forget_and_work

    return [
        # Files are "new" to subscriptions as well as datasets are: the default of 100 starves these.
        Daemon(
            "transmogrifier",
            worker("transmogrifier.transmogrifier", "transmogrifier", bulk=100_000),
        ),
        Daemon("judge-injector", worker("judge.injector", "rule_injector")),
        Daemon("judge-evaluator", worker("judge.evaluator", "re_evaluator", did_limit=1000)),
        Daemon("necromancer", fresh("badreplicas.necromancer", "necromancer", bulk=1000)),
        Daemon(
            "judge-repairer",
            worker("judge.repairer", "rule_repairer"),
            every_s=repair_every_s,
        ),
        Daemon(
            "conveyor-submitter",
            worker(
                "conveyor.submitter",
                "submitter",
                partition_wait_time=0,
                bulk=10_000,
                group_bulk=200,  # the default makes one FTS job a file
                transfertools=["fts3"],
            ),
        ),
        Daemon(
            "conveyor-poller",
            worker(
                "conveyor.poller",
                "poller",
                partition_wait_time=0,
                older_than=0,
                fts_bulk=200,
                db_bulk=10_000,
            ),
        ),
        Daemon(
            "conveyor-finisher",
            worker(
                "conveyor.finisher", "finisher", partition_wait_time=0, bulk=1000, db_bulk=10_000
            ),
        ),
        Daemon("judge-cleaner", worker("judge.cleaner", "rule_cleaner")),
        Daemon("undertaker", worker("undertaker.undertaker", "undertaker", chunk_size=1000)),
        Daemon(
            "reaper",
            fresh("reaper.reaper", "reaper", rses=None, include_rses=None, exclude_rses=None),
        ),
        Daemon("hermes", worker("hermes.hermes", "hermes", bulk=5000)),
    ]


@dataclass
class Cycle:
    """Run all daemons once at a time, on a clock and on request."""

    daemons: list[Daemon]
    pause_s: float
    count: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _ended: bool = False

    def run(self, only: list[str] | None = None) -> dict[str, Any]:
        """Run one cycle now and say how long each daemon took and what failed.

        Parameters
        ----------
        only
            Names of daemons; these run whether or not they are due. `None` runs all that are due.
        """
        took_s: dict[str, float] = {}
        errors: dict[str, str] = {}
        with self._one_at_a_time:
            for daemon in self.daemons:
                now = time.monotonic()
                if daemon.name not in only if only is not None else now < daemon.due_at:
                    continue
                daemon.due_at = now + daemon.every_s
                try:
                    daemon.work()
                except (Exception, SystemExit) as error:  # one daemon's failure must not stop all
                    LOG.exception("daemon=%s failed", daemon.name)
                    errors[daemon.name] = f"{type(error).__name__}: {error}"
                took_s[daemon.name] = round(time.monotonic() - now, 3)
            self.count += 1
            self.errors = errors
        return {"cycle": self.count, "took_s": took_s, "errors": errors}

    def set_pause(self, seconds: float) -> None:
        """Change the pause at once; when this returns no cycle on the old pause is under way."""
        with self._one_at_a_time, self._changed:
            self.pause_s = seconds
            self._changed.notify_all()

    def run_forever(self) -> None:
        """Run cycles with a pause between them until `end`."""
        while not self._ended:
            ended_at = time.monotonic()
            with self._changed:
                while (
                    not self._ended and (rest_s := ended_at + self.pause_s - time.monotonic()) > 0
                ):
                    self._changed.wait(min(rest_s, 0.5))
            if not self._ended:
                self.run()

    def end(self) -> None:
        """Let `run_forever` return after the present cycle."""
        # No lock: a signal handler calls this, in the very thread that may hold it.
        self._ended = True
