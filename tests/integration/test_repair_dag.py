"""Repair and the recovery drill on real Airflow: much at once waits for a person, whose answer decides."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dbb.flows.cargo import stored_name
from dbb.flows.verifying import verify_units
from dbb.hooks.drills import SqlDrills
from dbb.model.delivery import State
from dbb.model.drill import DrillKind
from dbb.model.exposure import Unit
from dbb.model.names import Did
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone
from dbb.wiring.base import open_ledger
from sandbox.layout import Layout
from sandbox.night import Night
from support.dag_runs import Runs
from support.held_dags import held
from support.real_night import finished_night, store_folder

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
BROKEN = 11
"""One more than a program may repair by itself."""


@pytest.fixture(scope="module")
def night(sandbox_airflow):
    made = Night(Layout(root=ROOT, state=sandbox_airflow.state), print, "20250101")
    made.prepare()
    return made


@pytest.fixture
def backbone(night, tmp_path):
    env = {**night.env, "DBB_STORE_SUMMIT": tmp_path.as_uri()}
    return open_backbone(Settings.load(environment=env), "integration test")


@pytest.fixture
def no_new_findings(sandbox_airflow):
    """Let no scan confirm anything meanwhile: the plan would be another one than a person approved."""
    with held(sandbox_airflow, "reconcile"):
        yield


@pytest.mark.usefixtures("no_new_findings")
def test_much_at_once_waits_for_a_person_and_is_restored_by_their_word(
    night, backbone, tmp_path, sandbox_airflow
):
    env = {**night.env, "summit": str(tmp_path)}
    _, units = finished_night(backbone, env, BROKEN)
    whole = {}
    for unit in units:
        name = stored_name(Did("raw", Unit.parse(unit).bundle_name))
        path = store_folder(env, "usdf") / name
        whole[path] = path.read_bytes()
    runs = Runs(night)
    reported = runs.trigger(report_only=True)
    assert runs.end(reported)["restore_copies"] == "skipped"
    began_s = time.monotonic()
    with held(sandbox_airflow, "repair"):  # a run that sees a part of it would ask nobody
        for path in whole:
            path.unlink()
        rows = list(backbone.ledger.units(units).values())
        assert len(list(verify_units(backbone, rows, ["usdf"], record=True))) == BROKEN

    runs.trigger()
    run, asked = runs.question()
    assert f"restore {BROKEN} of usdf" in asked["body"]
    runs.answer(run, "Reject")
    assert runs.end(run)["restore_copies"] == "skipped"
    found = backbone.ledger.deliveries(units)
    assert {found[unit, "usdf"].state for unit in units} == {State.MISSING}
    assert {found[unit, "usdf"].rule_id for unit in units} == {None}

    runs.trigger()
    run, _ = runs.question()
    runs.answer(run, "Approve")
    assert runs.end(run) == {
        "publish_what_came_back": "success", "plan_repairs": "success",
        "ask_a_person": "success", "restore_copies": "success",
    }  # fmt: skip
    for _ in range(20):
        runs.end(runs.trigger())
        found = backbone.ledger.deliveries(units)
        if {found[unit, "usdf"].state for unit in units} == {State.PUBLISHED}:
            break
    assert {found[unit, "usdf"].state for unit in units} == {State.PUBLISHED}
    assert {path: path.read_bytes() for path in whole} == whole
    took_s = time.monotonic() - began_s
    print(f"{BROKEN} units, asked twice: restored in {took_s:.0f} s")  # noqa: T201 - the figure


def test_the_recovery_drill_burns_the_scratch_place_and_keeps_a_record(night, backbone, tmp_path):
    env = {**night.env, "summit": str(tmp_path)}
    day, units = finished_night(backbone, env, 1)
    runs = Runs(night, "dr_drill")
    states = runs.end(runs.trigger(first_day=str(day)))
    assert set(states.values()) == {"success"}
    assert len(states) == 2
    drills = SqlDrills(open_ledger(Settings.load(environment=night.env), "test"))
    for kind in (DrillKind.ENDPOINT, DrillKind.LEDGER):
        newest = drills.newest(kind, 1)[0]
        assert (newest.is_passed, newest.units) == (True, len(units))
    unit = Unit.parse(units[0])
    assert (store_folder(env, "scratch") / f"raw/{unit.bundle_name}").is_file()


def test_a_past_night_is_compared_at_every_endpoint(night, backbone, tmp_path):
    day, units = finished_night(backbone, {**night.env, "summit": str(tmp_path)}, 1)
    for endpoint in ("summit", "usdf", "frdf", "ukdf", "chile"):
        runs = Runs(night, f"reconcile_{endpoint}")
        run = runs.trigger(first_day=str(day))
        assert set(runs.end(run).values()) == {"success"}
        step = f"{run}/taskInstances/reconcile_at_{endpoint}/xcomEntries/return_value"
        assert runs.call("GET", f"{step}?map_index=0")["value"]["units"] == len(units)
