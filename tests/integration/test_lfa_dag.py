"""The annex's DAG on real Airflow, woken by an object that is announced."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dbb.flows.lfa import announce
from dbb.model.delivery import State
from dbb.model.lfa import Announcement
from dbb.settings import Settings
from dbb.wiring.annex import open_annex
from dbb.wiring.base import open_ledger
from sandbox import processes, rest
from sandbox.layout import Layout
from sandbox.night import Night

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
DAG = "lfa_replication"
STARTS_WITHIN_S = 180
"""On a machine that has nothing else to do it is a few seconds; the clock would take ten minutes."""
TO_THE_CLOCK_S = STARTS_WITHIN_S + 60
"""What the clock's run takes up, no watcher tells of: there is time for a triggerer's start before it."""
PUBLISHED_WITHIN_S = QUIET_WITHIN_S = 420


@pytest.fixture(scope="module")
def night(sandbox_airflow):
    night = Night(Layout(root=ROOT, state=sandbox_airflow.state), print, "20250101")
    night.prepare()
    return night


@pytest.fixture
def settings(night):
    return Settings.load(environment=night.env)


def wait_for(night, what, seconds):
    end = time.monotonic() + seconds
    while True:
        if found := what():
            return found
        if time.monotonic() > end:
            told = [(run["dag_run_id"], run["state"], run["start_date"]) for run in runs(night)]
            pytest.fail(f"not within {seconds} s: {told}")
        time.sleep(0.5)


def runs(night):
    """List the newest runs; the DAG may not be known yet."""
    api = f"{night.env['DBB_AIRFLOW_URL']}/api/v2/dags/{DAG}/dagRuns"
    return rest.call("GET", f"{api}?order_by=-run_after&limit=20", token=night.token())["dag_runs"]


def is_quiet(night):
    """Say whether the clock's last run has come and is over, and its next one is a while away."""
    now, known = dt.datetime.now(dt.UTC), runs(night)
    tick = now.replace(minute=now.minute // 10 * 10, second=0, microsecond=0)
    has_come = any(
        run["run_type"] == "scheduled" and dt.datetime.fromisoformat(run["run_after"]) >= tick
        for run in known
    )
    to_next_s = 600 - (now - tick).total_seconds()
    is_over = {run["state"] for run in known} <= {"success", "failed"}
    return has_come and is_over and to_next_s > TO_THE_CLOCK_S


def announce_new(night, annex):
    """Upload an object and tell of it; give its key."""
    place = Path(urlsplit(night.env["DBB_STORE_LFA"]).path)
    key = f"DREAM:1/dream/2026/11/21/DREAM:{uuid.uuid4().hex[:8]}_2026-11-21T23:01:02.fits"
    (place / key).parent.mkdir(parents=True, exist_ok=True)
    (place / key).write_bytes(b"SIMPLE")
    topic = "summit.lsst.sal.DREAM.logevent_largeFileObjectAvailable"
    said = Announcement.of_event(topic, {"url": f"s3://{annex.bucket}/{key}"})
    assert announce(annex, [said]) == 1
    return key


def is_published(annex, ledger, key):
    (found,) = annex.objects.by_key([key])
    delivery = ledger.deliveries([found.unit]).get((found.unit, "usdf"))
    return delivery is not None and delivery.state is State.PUBLISHED


def woken_since(night, time_):
    """List the runs that a watcher started after a time."""
    return [
        run
        for run in runs(night)
        if run["run_type"] == "asset_triggered"
        and run["start_date"]
        and dt.datetime.fromisoformat(run["start_date"]) > time_
    ]


def test_an_object_that_is_announced_starts_within_seconds(night, settings):
    annex, ledger = open_annex(settings), open_ledger(settings, "test")
    night._await_dag(f"{night.env['DBB_AIRFLOW_URL']}/api/v2/dags/{DAG}", night.token())
    wait_for(night, lambda: is_quiet(night), QUIET_WITHIN_S)  # else the clock's run is quicker
    announced = dt.datetime.now(dt.UTC)
    key = announce_new(night, annex)
    first = wait_for(night, lambda: woken_since(night, announced), STARTS_WITHIN_S)[-1]
    began_s = (dt.datetime.fromisoformat(first["start_date"]) - announced).total_seconds()
    wait_for(night, lambda: is_published(annex, ledger, key), PUBLISHED_WITHIN_S)
    took_s = (dt.datetime.now(dt.UTC) - announced).total_seconds()
    print(  # noqa: T201 - the figure
        f"started {began_s:.1f} s, published at the archive {took_s:.1f} s after its event"
    )


def signal_triggerer(night, number):
    """Send the triggerer and all its children a signal."""
    run_file = night.layout.run_file("airflow-triggerer")
    kept = json.loads(run_file.read_text())
    leader = processes.ProcessId(kept["pid"], kept["started_ticks"])
    for each in processes.family(leader, f"{night.layout.state}:airflow-triggerer"):
        os.kill(each.pid, number)


def test_a_triggerer_that_is_killed_loses_nothing_and_doubles_nothing(
    night, settings, sandbox_airflow
):
    annex, ledger = open_annex(settings), open_ledger(settings, "test")
    wait_for(night, lambda: is_quiet(night), QUIET_WITHIN_S)
    signal_triggerer(
        night, signal.SIGSTOP
    )  # or it may see the first one, and a run of that take both
    before = announce_new(night, annex)
    signal_triggerer(night, signal.SIGKILL)  # all at once, as a power cut does
    after = announce_new(night, annex)
    killed = dt.datetime.now(dt.UTC)
    sandbox_airflow.command("up", "--only", "storage,airflow")
    wait_for(night, lambda: woken_since(night, killed), STARTS_WITHIN_S)
    for key in (before, after):
        wait_for(night, lambda key=key: is_published(annex, ledger, key), PUBLISHED_WITHIN_S)
        (found,) = annex.objects.by_key([key])
        published = [
            one for one in ledger.events(found.unit)
            if one.endpoint == "usdf" and one.new_state is State.PUBLISHED
        ]  # fmt: skip
        assert len(published) == 1
