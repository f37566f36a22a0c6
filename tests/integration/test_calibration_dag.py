"""The daily calibration DAG on real Airflow, Rucio, Butler and PostgreSQL, woken by complete groups."""

from __future__ import annotations

import datetime as dt
import os
import signal
import time
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

import psutil
import pytest
from lsst.daf.butler import Butler

from dbb.flows.calibration_budget import read_budget
from dbb.flows.calibration_force import compare
from dbb.model.calibration import Step
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone
from sandbox import rest
from sandbox.layout import Layout
from sandbox.night import Night
from sandbox.synthetic_night import make_calibration_group

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.timeout(2400)]

ROOT = Path(__file__).resolve().parents[2]
DAG = "calibration_daily"
DETECTORS = ("R22_S11", "R22_S12")
EXPOSURES = 2
SETTLED_S = 3
SEQUENCES_OVER = dt.timedelta(hours=9)
"""So long after its begin a night's sequences are over; the DAG looks at it until its second noon."""
STARTS_WITHIN_S = 420
"""It is woken within seconds; on a machine that is full, the clock does it every five minutes."""
DONE_WITHIN_S = 900


class Operator:
    """Do what an operator does in the UI, by the same interface."""

    def __init__(self, night):
        self.night = night
        self.api = f"{night.env['DBB_AIRFLOW_URL']}/api/v2"

    def call(self, method, path, body=None):
        return rest.call(method, f"{self.api}/{path}", body=body, token=self.night.token())

    def pause(self, *, paused):
        self.call("PATCH", f"dags/{DAG}", {"is_paused": paused})

    def give_payload_slots(self, slots):
        pool = self.call("GET", "pools/payload")
        change = {"name": "payload", "slots": slots} | {
            key: pool[key] for key in ("description", "include_deferred")
        }
        self.call("PATCH", "pools/payload", change)

    def runs(self):
        return self.call("GET", f"dags/{DAG}/dagRuns?order_by=-run_after&limit=50")["dag_runs"]

    def running(self):
        """Give the task instances that run now, of all DAGs."""
        path = "dags/~/dagRuns/~/taskInstances?state=running&limit=100"
        return self.call("GET", path)["task_instances"]

    def tries(self, known):
        """Give how often each task was tried in the runs that are new."""
        found = {}
        for run in self.runs():
            if run["dag_run_id"] not in known:
                path = f"dags/{DAG}/dagRuns/{quote(run['dag_run_id'], safe='')}/taskInstances"
                for each in self.call("GET", path)["task_instances"]:
                    most = max(found.get(each["task_id"], 0), each["try_number"])
                    found[each["task_id"]] = most
        return found

    def told(self):
        """Give how the newest runs stand, and what runs now."""
        runs = {run["dag_run_id"]: run["state"] for run in self.runs()[:5]}
        return runs, [(task["dag_id"], task["task_id"]) for task in self.running()]

    def failed_tasks(self, known):
        found = []
        for run in self.runs():
            if run["dag_run_id"] in known:
                continue
            path = f"dags/{DAG}/dagRuns/{quote(run['dag_run_id'], safe='')}/taskInstances"
            tasks = self.call("GET", f"{path}?state=failed")["task_instances"]
            found += [(run["dag_run_id"], each["task_id"]) for each in tasks]
        return found


@pytest.fixture(scope="module")
def night(sandbox_airflow):
    layout = Layout(root=ROOT, state=sandbox_airflow.state)
    night = Night(layout, print, str(DayObs.at(dt.datetime.now(dt.UTC) - SEQUENCES_OVER)))
    night.prepare()
    return night


@pytest.fixture(scope="module")
def settings(night):
    return Settings.load(environment=night.env)


@pytest.fixture
def operator(night):
    operator = Operator(night)
    yield operator
    operator.give_payload_slots(1)
    operator.pause(paused=True)


def take_sequences(night, backbone, kinds=("bias", "dark", "flat")):
    """Take sequences that nobody has taken yet; give the groups' names by kind."""
    known = backbone.ledger.units_of_night("LSSTCam", int(night.day_obs))
    last = max((int(row.obs_id[-6:]) for row in known if row.kind == "raw"), default=0)
    first = 5001 + 60 * max(0, (last - 5001) // 60 + 1)  # a later number is a later time
    root = Path(url2pathname(urlsplit(night.env["DBB_STORE_SUMMIT"]).path))
    names = {}
    for number, kind in enumerate(kinds):
        at = first + 20 * number
        make_calibration_group(
            root, kind, exposures=EXPOSURES, detectors=DETECTORS, amplifiers=2, pixels=48,
            day_obs=night.day_obs, first_seq_num=at,
        )  # fmt: skip
        names[kind] = f"LSSTCam/{night.day_obs}/{kind}-O{at}"
    time.sleep(SETTLED_S)  # files are left alone until they have come to rest
    return names


def wait_for(operator, what, seconds, every_s=1):
    end = time.monotonic() + seconds
    while True:
        if found := what():
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {operator.told()}"
        time.sleep(every_s)


def alerts(night):
    """Give the lines of the alert in the triggerer's log."""
    text = night.layout.log("airflow-triggerer").read_text(encoding="utf-8", errors="replace")
    return [line for line in text.splitlines() if "action=deadline" in line]


def in_force(backbone, name):
    """Give the attempt of a group when it is in force at the archive and every receiver."""
    for attempt in backbone.calibrations.attempts(name):
        there = {
            place: delivery.state
            for (_, place), delivery in backbone.ledger.deliveries([attempt.unit]).items()
        }
        if len(there) > 1 and set(there.values()) == {State.PUBLISHED}:
            return attempt
    return None


def test_bias_dark_and_flat_are_in_force_everywhere_and_a_late_step_is_told_of(
    night, settings, operator
):
    backbone = open_backbone(settings, "test")
    names = take_sequences(night, backbone)
    night.transfer()
    # Nobody may work on a payload: the groups ended hours ago, so the deadline is over at once.
    operator.give_payload_slots(0)
    before = len(alerts(night))
    known = {run["dag_run_id"] for run in operator.runs()}
    began = time.monotonic()
    operator.pause(paused=False)
    wait_for(operator, lambda: len(operator.runs()) > len(known), STARTS_WITHIN_S)
    noted = backbone.calibrations.groups
    wait_for(operator, lambda: names["flat"] in [group.name for group in noted()], 180)
    # The run that came by itself may have been made a moment before the groups were known.
    operator.call("POST", f"dags/{DAG}/dagRuns", {"logical_date": None})
    wait_for(operator, lambda: any(names["bias"] in line for line in alerts(night)[before:]), 360)
    told = [line for line in alerts(night)[before:] if f"group={names['bias']} " in line]
    assert "step=wait" in told[0]
    night.say(f"the alert came {time.monotonic() - began:.1f} s after the DAG was switched on")

    operator.give_payload_slots(1)
    done = wait_for(operator, lambda: in_force(backbone, names["flat"]), DONE_WITHIN_S)
    attempts = {kind: in_force(backbone, name) for kind, name in names.items()}
    assert all(each.accepted for each in attempts.values())
    kinds = {kind for row in backbone.calibrations.products(done.unit) for _, _, kind in row.inputs}
    assert kinds == {"raw", "bias", "dark"}
    rows = [row for row in compare(backbone, "LSSTCam") if row.collection.endswith("/daily")]
    assert {row.verdict for row in rows} == {"equal"}
    assert len({row.sha256 for row in rows}) == 1
    assert len(rows) > 1
    assert_a_user_finds_them(settings, [row.endpoint for row in rows], names, attempts, backbone)
    over = {"success", "failed"}
    wait_for(operator, lambda: {run["state"] for run in operator.runs()} <= over, DONE_WITHIN_S)
    assert operator.failed_tasks(known) == []
    for attempt in attempts.values():
        shares = read_budget(backbone, attempt.unit).shares
        assert [share.step for share in shares] == list(Step)
        shown = ", ".join(f"{share.step} {share.seconds:.1f}" for share in shares[1:])
        night.say(f"{attempt.unit}: {shown}")


def test_a_task_that_is_killed_in_any_step_is_done_again_and_its_result_is_in_force_once(
    night, settings, operator
):
    backbone = open_backbone(settings, "test")
    name = take_sequences(night, backbone, ["bias"])["bias"]
    night.transfer()
    over = {"success", "failed"}
    # One that the clock began as the DAG was paused goes on, and may be the one that finds the group.
    known = {run["dag_run_id"] for run in operator.runs() if run["state"] in over}
    operator.pause(paused=False)
    operator.call("POST", f"dags/{DAG}/dagRuns", {"logical_date": None})
    began = time.monotonic()
    killed = {}

    def kill_and_look():
        kill_one_of_each_step(operator, backbone, name, killed)
        return in_force(backbone, name)

    attempt = wait_for(operator, kill_and_look, STARTS_WITHIN_S + DONE_WITHIN_S, every_s=0.1)
    took_s = time.monotonic() - began
    night.say(f"killed {killed}; in force everywhere {took_s:.0f} s after the run was asked for")
    assert {"make_bias", "bring_in_bias"} <= set(killed)
    wait_for(operator, lambda: {run["state"] for run in operator.runs()} <= over, DONE_WITHIN_S)
    assert operator.failed_tasks(known) == []
    tries = operator.tries(known)
    assert all(tries[task] > 1 for task in killed if task in tries), tries
    assert backbone.calibrations.attempts(name) == [attempt]
    assert attempt.accepted
    assert len(backbone.calibrations.products(attempt.unit)) == len(DETECTORS)
    published = [
        event.endpoint
        for event in backbone.ledger.events(attempt.unit)
        if event.new_state is State.PUBLISHED
    ]
    assert sorted(published) == sorted(set(published))
    rows = [row for row in compare(backbone, "LSSTCam") if row.collection.endswith("/daily")]
    assert sorted(row.endpoint for row in rows) == sorted(published)
    assert {row.verdict for row in rows} == {"equal"}
    assert len({row.sha256 for row in rows}) == 1
    shares = read_budget(backbone, attempt.unit).shares
    assert [share.step for share in shares] == list(Step)
    night.say(", ".join(f"{share.step} {share.seconds:.1f}" for share in shares[1:]))


def kill_one_of_each_step(operator, backbone, name, killed):
    """Kill the process of each task that works on a group, once, when it has begun its work."""
    if not (attempts := backbone.calibrations.attempts(name)):
        return  # whoever makes it has not begun
    unit = attempts[0].unit
    is_at_archive = bool(backbone.ledger.deliveries([unit]))
    for task in operator.running():
        its = task["task_id"]
        is_ours = task["dag_id"] == DAG or (is_at_archive and its.startswith("publish"))
        if is_ours and its not in killed and task["pid"]:
            try:
                title = " ".join(psutil.Process(task["pid"]).cmdline())
                if task["id"] not in title:  # Airflow names the task in the title of its process
                    continue
                os.kill(task["pid"], signal.SIGSTOP)
                runs = task["id"] in [each["id"] for each in operator.running()]
                os.kill(task["pid"], signal.SIGKILL if runs else signal.SIGCONT)
                if not runs:  # it had told of its end, and only had yet to go
                    continue
            except (psutil.NoSuchProcess, ProcessLookupError):
                continue
            killed[its] = [str(each.state) for each in backbone.calibrations.attempts(name)]


def assert_a_user_finds_them(settings, places, names, attempts, backbone):
    """Look up what is in force at an exposure's time; some endpoints have the exposure itself, too."""
    last = int(names["flat"].rpartition("-O")[2]) + EXPOSURES - 1
    exposure = int(f"{names['flat'].split('/')[1]}{last:05d}")
    record = records(settings, backbone.policy.archive, exposure)[0]
    for place in places:
        with Butler.from_config(settings.resolve(settings.endpoint(place).butler)) as butler:
            for kind, attempt in attempts.items():
                made = {row.dataset_id for row in backbone.calibrations.products(attempt.unit)}
                by_filter = {"physical_filter": record.physical_filter} if kind == "flat" else {}
                found = butler.find_dataset(
                    kind, collections="LSSTCam/calib", instrument="LSSTCam", detector=94,
                    timespan=record.timespan, **by_filter,
                )  # fmt: skip
                assert str(found.id) in made, (place, kind)
                assert len(butler.get(found)) > 1
                if records(settings, place, exposure):
                    data_id = {"instrument": "LSSTCam", "exposure": exposure, "detector": 94}
                    assert len(butler.get(kind, data_id, collections="LSSTCam/calib")) > 1


def records(settings, place, exposure):
    with Butler.from_config(settings.resolve(settings.endpoint(place).butler)) as butler:
        return butler.query_dimension_records(
            "exposure", instrument="LSSTCam", exposure=exposure, explain=False
        )
