"""The nightly DAG on real Airflow, Rucio, Butler and PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, make_url, text

from dbb.model.delivery import State
from dbb.settings import Settings
from dbb.wiring.base import open_ledger
from sandbox import rest
from sandbox.allotted import Allotted
from sandbox.layout import Layout
from sandbox.night import DAG, Night
from sandbox.synthetic_night import resend_good
from support.canary_secrets import (
    found_in_database,
    found_in_files,
    found_in_text,
    secrets_of,
)
from support.command_line import dbb
from support.dag_runs import Runs
from support.receiver import webhook
from support.sandbox_nights import SETTLED_S, fresh_night, make

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]


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


def report(night):
    """Ask the command line for the night's verdict."""
    return dbb(night, "night", night.day_obs)[1]


def look_for_alarms(night):
    """Look for alarms with a chat that listens; give what it was told of the night."""
    got = []
    with webhook(got) as url:
        night.env = {**night.env, "DBB_ALARM_WEBHOOK": url}
        dbb(night, "alarms", "watch")
    return [each["text"] for each in got if night.day_obs in each["text"]]


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
    told = look_for_alarms(night)
    assert [text.splitlines()[0] for text in told] == ["*ALARM truncated-file at summit*"]
    assert f"See: {night.env['DBB_AIRFLOW_URL']}/dbb/night/{night.day_obs}" in told[0]
    resend_good(plan)
    time.sleep(SETTLED_S)
    night.transfer()
    assert report(night)["verdict"] == "SAFE"
    watch = Runs(night, "alarm_watch")
    assert set(watch.end(watch.trigger()).values()) == {"success"}
    (over,) = look_for_alarms(night)
    assert over.startswith("*ended truncated-file at summit*")
    assert look_for_alarms(night) == []
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


def test_a_range_of_nights_is_caught_up_also_with_a_maintenance_in_between(layout, ledger):
    first = fresh_night(ledger, after=20250601)
    while ledger.units_of_night("LSSTCam", first.next().value):
        first = fresh_night(ledger, after=first.next().value)
    nights = [Night(layout, print, str(day)) for day in (first, first.next())]
    for night in nights:
        make(night, 1)
    span = ("--from", str(first), "--to", str(first.next()))

    code, plan = dbb(nights[0], "catchup", "plan", *span)
    assert (code, plan["exposures"]) == (1, 2)
    code, started = dbb(nights[0], "catchup", "start", *span, "--nights-at-once", "2")
    assert (code, started["state"], started["nights_left"]) == (0, "running", 2)

    code, held = dbb(nights[0], "maintenance", "drain", "--reason", "test", "--within-s", "600")
    assert (code, held["working"]) == (0, [])
    dags = held["maintenance"]["dags"]
    assert {DAG, "raw_tonight"} <= set(dags)
    seen = [report(night)["verdict"] for night in nights]
    time.sleep(8)  # long enough for the scheduler to start what it may
    assert dbb(nights[0], "maintenance", "status")[1]["working"] == []
    assert [report(night)["verdict"] for night in nights] == seen

    resumed = Runs(nights[0], "maintenance")
    assert set(resumed.end(resumed.trigger(action="resume")).values()) == {"success"}
    assert dbb(nights[0], "maintenance", "status")[1]["maintenance"] is None
    state = rest.call(
        "GET", f"{nights[0].env['DBB_AIRFLOW_URL']}/api/v2/dags?limit=100", token=nights[0].token()
    )
    assert not [
        each["dag_id"] for each in state["dags"] if each["is_paused"] and each["dag_id"] in dags
    ]

    end = time.monotonic() + 900
    while time.monotonic() < end:
        code, told = dbb(nights[0], "catchup", "status", "--number", str(started["number"]))
        if told["nights_left"] == 0:
            break
        time.sleep(3)
    assert told["nights_left"] == 0, told
    assert [night["verdict"] for night in told["nights"]] == ["SAFE", "SAFE"]
    assert [report(night)["verdict"] for night in nights] == ["SAFE", "SAFE"]


def test_no_secret_reaches_a_log_or_airflows_database(sandbox_airflow, layout, night):
    """After all that went wrong above, and with a refused run and a Rucio that is away besides."""
    secrets = Allotted.load(layout.allotted_file).secrets | secrets_of(sandbox_airflow.env)
    make(night, 1)
    runs = Runs(night, DAG)
    refused = runs.end(runs.trigger(day_obs=int(night.day_obs), dayobs=1))
    assert refused["look_for_new_exposures"] == "failed"
    logs = layout.data("airflow") / "logs"
    assert found_in_files(logs, {"refused": "unknown-parameter"})
    sandbox_airflow.stop("rucio")
    try:
        run = runs.trigger(day_obs=int(night.day_obs))
        end = time.monotonic() + 360
        while not found_in_files(logs, {"away": "catalog-unavailable"}):
            assert time.monotonic() < end, runs.call("GET", f"{run}/taskInstances")
            time.sleep(2)
    finally:
        sandbox_airflow.command("up", "--only", "storage,airflow")
    runs.end(run)

    assert len(secrets) > 10
    services = [layout.log(name) for name in sandbox_airflow.running() if "airflow" in name]
    written = "".join(log.read_text(errors="replace") for log in services if log.exists())
    assert found_in_text(written, secrets) == []
    assert found_in_files(logs, secrets) == []
    database = make_url(sandbox_airflow.env["DBB_POSTGRES_URL"]).set(database="airflow")
    engine = create_engine(database)
    with engine.connect() as connection:
        assert found_in_database(connection, secrets) == []
        assert found_in_database(connection, {"night": night.day_obs})  # it is read at all
        secret = next(iter(secrets.values()))
        names = sorted(name for name, value in secrets.items() if value == secret)
        planted = {"value": json.dumps({"password": secret})}
        connection.execute(
            text("insert into variable (key, val, is_encrypted) values ('planted', :value, false)"),
            planted,
        )
        assert found_in_database(connection, secrets) == [(name, "variable") for name in names]
        connection.rollback()
    engine.dispose()
