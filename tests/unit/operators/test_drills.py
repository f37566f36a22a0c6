"""The drill of the ledger as a task, over a backbone in memory."""

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

import dbb.operators.drills as steps
from dbb.errors import DrillFailed
from support.tiny_camera import take_exposure
from support.world import run_night


@pytest.fixture
def noted(world, monkeypatch):
    found = []
    monkeypatch.setattr(steps, "open_for_run", lambda _: world.backbone())
    monkeypatch.setattr(
        "dbb.wiring.drills.open_drills", lambda *_: SimpleNamespace(note=found.append)
    )
    return found


def drill(context):
    step = steps.DrillLedger(task_id="drill", first_day="", last_day="", nights="3")
    return step.execute(context)


def test_a_new_installation_has_nothing_to_practise_on(context, noted):
    with pytest.raises(AirflowSkipException):
        drill(context)
    assert noted == []


def test_a_canary_that_flies_meanwhile_is_no_night(context, world, noted):
    name = "raw/DBBCanary/20170102/DC_O_20170102_000001.manifest.json"
    world.stores["usdf"].put(name, b"of no instrument that the ledger knows")
    with pytest.raises(AirflowSkipException):
        drill(context)
    assert noted == []


def test_a_ledger_that_knows_a_night_of_which_nothing_comes_back_is_a_failure(
    context, world, noted
):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    for place in ("usdf", "frdf", "ukdf"):
        store = world.stores[place]
        store.delete([file.name for file in store.list_files("")])
    with pytest.raises(DrillFailed):
        drill(context)
    assert not noted[0].is_passed


def test_a_night_that_comes_back_passes(context, world, noted):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    drill(context)
    assert (noted[0].is_passed, noted[0].units) == (True, 1)
