"""A night with workers behind a queue, one at an endpoint of its own, which is killed in mid-task."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from benchmarks.day_tasks import busy_day, compare, read_dags

from dbb.model.delivery import State
from dbb.settings import Settings
from dbb.wiring.base import open_ledger
from integration.conftest import ROOT, RunningSandbox
from sandbox import rest
from sandbox.environments import find_program
from sandbox.layout import Layout
from sandbox.lifecycle import Sandbox
from sandbox.night import Night
from sandbox.processes import family, is_alive
from sandbox.synthetic_night import NightPlan
from support.held_dags import paused

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.timeout(1800)]

WORKER = "airflow-worker-frdf"
HALF_DONE = (State.ARRIVED, State.VERIFIED, State.REGISTERED)
BACK_WITHIN_S = 150


def may_make_networks():
    """Say whether this user may: root in a container may not always."""
    if not all(find_program(name) for name in ("ip", "nsenter", "unshare")):
        return False
    command = ["unshare", "--net", "ip", "link", "set", "lo", "up"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


OWN_NETWORK = may_make_networks()


@pytest.fixture(scope="module")
def celery(tmp_path_factory):
    if not find_program("redis-server"):
        pytest.skip("there is no redis-server (Debian package of that name)")
    sandbox = RunningSandbox(tmp_path_factory.mktemp("celery"))
    with pytest.MonkeyPatch.context() as patch:
        if OWN_NETWORK:
            patch.setenv("DBB_SANDBOX_OWN_NETWORK", "1")
        try:
            sandbox.command("up", "--executor", "celery")
            with paused(sandbox, "efd_etl"):  # its hours since yesterday take half of the machine
                yield sandbox
        finally:
            sandbox.command("down")


class Killer(threading.Thread):
    """Kill the endpoint's worker and all its processes while it works on the night's copies."""

    def __init__(self, sandbox, ledger, units):
        super().__init__()
        self.sandbox, self.ledger, self.units = sandbox, ledger, units
        self.killed = self.states = self.killed_at = None

    def run(self):
        manager = Sandbox(Layout(root=ROOT, state=self.sandbox.state))
        worker = next(each for each in manager.services if each.name == WORKER)
        end = time.monotonic() + 300
        while time.monotonic() < end:
            if self._is_half_done():
                self.killed = family(worker.process(), worker.mark)
                for process in self.killed:
                    with contextlib.suppress(ProcessLookupError):  # gone with another one
                        os.kill(process.pid, signal.SIGKILL)
                self.killed_at = dt.datetime.now(dt.UTC)
                self.states = self._states()
                break
            time.sleep(0.02)
        self.sandbox.command("up")  # as a service manager does

    def _states(self):
        return {
            unit: delivery.state
            for (unit, place), delivery in self.ledger.deliveries(self.units).items()
            if place == "frdf"
        }

    def _is_half_done(self):
        return any(state in HALF_DONE for state in self._states().values())


def test_a_worker_that_is_killed_in_mid_task_costs_nothing_and_nothing_is_twice(celery):
    layout = Layout(root=ROOT, state=celery.state)
    night = Night(layout, print, "20261101")
    ledger = open_ledger(Settings.load(environment=celery.env), "test")
    night.make(["--exposures", "4", "--pixels", "16", "--instrument", "LSSTCam"])
    time.sleep(3)  # files are left alone until they have come to rest
    plan = NightPlan.load(celery.state / f"night-{night.day_obs}.plan.json")
    units = [planned.unit for planned in plan.exposures]

    killer = Killer(celery, ledger, units)
    killer.start()
    night.transfer()
    killer.join()

    # It was really in the middle of its work, with a task running, and none of it lives.
    assert len(killer.killed) >= 4
    assert not any(is_alive(process) for process in killer.killed)
    assert set(killer.states.values()) & set(HALF_DONE)
    published_s = (await_published(ledger, units) - killer.killed_at).total_seconds()
    assert published_s < BACK_WITHIN_S
    assert night.verdict() == 0
    assert report(night)["verdict"] == "SAFE"
    tasks = task_instances(night)
    tried = {t["try_number"] for t in tasks if t["task_id"] == "publish_at_frdf"}
    assert max(tried) == 2
    assert {t["state"] for t in tasks} <= {"success", "skipped"}

    # Nothing lost, nothing twice: in the ledger's history, in the stores, in what was asked of workers.
    for unit in units:
        published = [e.endpoint for e in ledger.events(unit) if e.new_state is State.PUBLISHED]
        assert len(published) == len(set(published))
        assert {"frdf", "usdf"} <= set(published), unit
    archive, copies = bundles(layout.store("USDF")), bundles(layout.store("FRDF"))
    assert len(archive) == len(units)
    assert copies == archive
    assert {t["queue"] for t in tasks if t["task_id"].endswith("_at_frdf")} == {"frdf"}
    assert {t["queue"] for t in tasks if "frdf" not in t["task_id"]} == {"default"}
    # What the day's count of task instances rests on is so here.
    database = celery.env["DBB_POSTGRES_URL"].replace("+psycopg", "").rpartition("/")[0]
    assert compare(read_dags(), busy_day(), f"{database}/airflow") == 0
    log = layout.log(WORKER).read_text()
    assert "publish_at_frdf" in log
    assert "check_and_land_exposures" not in log


@pytest.mark.skipif(not OWN_NETWORK, reason="this user may make no networks")
def test_the_endpoints_worker_reaches_what_it_needs_and_nothing_else(celery):
    manager = Sandbox(Layout(root=ROOT, state=celery.state))
    worker = next(each for each in manager.services if each.name == WORKER)
    inside = oldest_inside(family(worker.process(), worker.mark))

    def reaches(port):
        program = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5).close()"
        command = ["nsenter", "--net", "--target", str(inside), sys.executable, "-c", program]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    assert all(reaches(manager.allotted.port(name)) for name in worker.reaches)
    for name in ("copy", "events", "rucio_control"):
        assert not reaches(manager.allotted.port(name)), name
    routes = ["nsenter", "--net", "--target", str(inside), "ip", "route"]
    assert subprocess.run(routes, check=True, capture_output=True).stdout == b""


def oldest_inside(processes):
    """Give a process of the worker's network; the youngest may be a task that is about to end."""
    ours = Path("/proc/self/ns/net").readlink()
    for process in sorted(processes, key=lambda each: each.started_ticks):
        with contextlib.suppress(FileNotFoundError):
            if Path(f"/proc/{process.pid}/ns/net").readlink() != ours:
                return process.pid
    pytest.fail("no process of the worker has a network of its own")


def await_published(ledger, units):
    """Wait until all are published at the endpoint; give the moment as the ledger has it."""
    end = time.monotonic() + BACK_WITHIN_S
    while time.monotonic() < end:
        places = ledger.deliveries(units).items()
        copies = [delivery for (_, place), delivery in places if place == "frdf"]
        if all(copy.state is State.PUBLISHED for copy in copies):
            return max(copy.since_at for copy in copies)
        time.sleep(0.2)
    pytest.fail("the copies were not published")


def bundles(store):
    """Give name and sha256 of each bundle of the camera below a store; a canary may fly there, too."""
    return {
        str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (store / "raw/LSSTCam").rglob("*.zip")
    }


def report(night):
    """Ask the command line for the night's verdict."""
    command = [ROOT / "dbb", "night", night.day_obs, "--json"]
    env = {**os.environ, **night.env}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


def task_instances(night):
    """Give the finished task instances of the DAGs that moved the night."""
    found = []
    for dag in ("raw_transfer", "deliver_frdf", "raw_tonight"):
        api = f"{night.env['DBB_AIRFLOW_URL']}/api/v2/dags/{dag}/dagRuns/~/taskInstances"
        query = "limit=100&state=success&state=skipped&state=failed&state=upstream_failed"
        found += rest.call("GET", f"{api}?{query}", token=night.token())["task_instances"]
    return found
