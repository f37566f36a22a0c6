"""The nightly DAG on real Airflow, Rucio, Butler and PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.settings import Settings
from dbb.wiring import open_ledger
from sandbox import rest
from sandbox.layout import Layout
from sandbox.night import DAG, Night
from sandbox.synthetic_night import NightPlan, resend_good

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
SETTLED_S = 3


@pytest.fixture(scope="module")
def layout(sandbox_airflow):
    layout = Layout(root=ROOT, state=sandbox_airflow.state)
    Night(layout, print, "20250101").prepare()
    return layout


@pytest.fixture
def ledger(sandbox_airflow, layout):  # noqa: ARG001 - the ledger is made by then
    return open_ledger(Settings.load(environment=sandbox_airflow.env), "test")


@pytest.fixture
def night(layout, ledger):
    return Night(layout, print, str(fresh_night(ledger)))


def fresh_night(ledger, after=20250101):
    """Name a night that nobody has used yet: a sandbox may outlive a test run."""
    day_obs = DayObs(after)
    while ledger.units_of_night("LSSTCam", day_obs.value):
        day_obs = day_obs.next()
    return day_obs


def make(night, exposures, *options):
    night.make(
        ["--exposures", str(exposures), "--pixels", "16", "--instrument", "LSSTCam", *options]
    )
    time.sleep(SETTLED_S)  # files are left alone until they have come to rest
    return NightPlan.load(night.layout.state / f"night-{night.day_obs}.plan.json")


def report(night):
    """Ask the command line, as an operator does."""
    done = subprocess.run(
        [ROOT / "dbb", "night", night.day_obs, "--json"],
        env={**os.environ, **night.env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return json.loads(done.stdout)


def last_run_tasks(night):
    """Give the states of the newest run's task instances, by name."""
    api = f"{night.env['DBB_AIRFLOW_URL']}/api/v2/dags/{DAG}/dagRuns"
    token = night.token()
    runs = rest.call("GET", f"{api}?order_by=-run_after&limit=50", token=token)["dag_runs"]
    run = next(run for run in runs if run["partition_key"] == night.day_obs)
    tasks = rest.call("GET", f"{api}/{run['dag_run_id']}/taskInstances?limit=500", token=token)
    return {task["task_id"]: task["state"] for task in tasks["task_instances"]}


def times_published(ledger, unit):
    return [e.endpoint for e in ledger.events(unit) if e.new_state is State.PUBLISHED]


def count_observed(ledger, day_obs):
    """Count a night's rows in the views that users know."""
    with ledger.transaction() as connection:
        return {
            table: connection.execute(
                text(f"select count(*) from cdb_lsstcam.{table} where day_obs = :day"),  # noqa: S608
                {"day": int(day_obs)},
            ).scalar_one()
            for table in ("exposure", "visit1", "ccdexposure")
        }


def test_a_night_with_a_damaged_file_ends_safe_once_the_good_copy_came(night, ledger):
    plan = make(night, 3, "--fault", "truncated=1")
    night.transfer()
    first = report(night)
    assert first["verdict"] == "ACT"
    assert first["counts"]["safe"] == 2
    [bad] = plan.faults
    assert [(r["unit"], r["code"]) for r in first["refusals"]] == [(bad, "truncated-file")]
    resend_good(plan)
    time.sleep(SETTLED_S)
    night.transfer()
    assert report(night)["verdict"] == "SAFE"
    assert count_observed(ledger, night.day_obs) == {"exposure": 3, "visit1": 3, "ccdexposure": 615}
    night.transfer()  # a finished night is no work, and the run says so
    tasks = last_run_tasks(night)
    assert tasks["look_for_new_exposures"] == "success"
    assert tasks["report_the_night"] == "success"
    assert {tasks[name] for name in tasks if name.startswith(("check", "publish"))} == {"skipped"}


def test_tasks_that_are_killed_at_any_step_are_done_again_once(night, ledger):
    plan = make(night, 4)
    killed = []
    stop = threading.Event()
    assassin = threading.Thread(target=kill_some_tasks, args=(night.layout, killed, stop))
    assassin.start()
    try:
        night.transfer()
    finally:
        stop.set()
        assassin.join()
    assert len(killed) >= 3
    assert report(night)["verdict"] == "SAFE"
    for unit in [planned.unit for planned in plan.exposures]:
        assert sorted(times_published(ledger, unit)) == ["frdf", "usdf"]


def kill_some_tasks(layout, killed, stop, most=4):
    """Kill tasks' processes at moments of their work that differ, the first few times."""
    scheduler = psutil.Process(
        json.loads(layout.run_file("airflow-scheduler").read_text(encoding="utf-8"))["pid"]
    )
    while not stop.wait(0.1) and len(killed) < most:
        for worker in scheduler.children():
            for task in worker.children():
                try:
                    age_s = time.time() - task.create_time()
                    if age_s > 0.4 * (1 + len(killed)):  # each a little later than the last
                        os.kill(task.pid, signal.SIGKILL)
                        killed.append(age_s)
                except (psutil.NoSuchProcess, ProcessLookupError):
                    continue


def test_a_backfill_by_the_command_line_brings_back_each_night_of_a_range(layout, ledger):
    first = fresh_night(ledger, after=20250601)
    while ledger.units_of_night("LSSTCam", first.next().value):
        first = fresh_night(ledger, after=first.next().value)
    nights = [Night(layout, print, str(day)) for day in (first, first.next())]
    for night in nights:
        make(night, 1)
    created = subprocess.run(
        [
            ROOT / "sandbox", "env", "airflow", "backfill", "create", "--dag-id", DAG,
            "--from-date", f"{first.date}", "--to-date", f"{first.next().next().date}",
            "--max-active-runs", "2",
        ],
        env={**os.environ, "DBB_SANDBOX_DIR": str(layout.state)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert created.returncode == 0, created.stdout + created.stderr
    end = time.monotonic() + 300
    while time.monotonic() < end:
        verdicts = [report(night)["verdict"] for night in nights]
        if verdicts == ["SAFE", "SAFE"]:
            break
        time.sleep(3)
    assert verdicts == ["SAFE", "SAFE"]
