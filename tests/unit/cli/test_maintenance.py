"""``dbb maintenance`` and ``dbb catchup``: what they say and their exit codes; Airflow is in memory."""

import json

import pytest

from dbb.cli import catchup, maintenance
from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.flows.maintenance import Working
from dbb.hooks.maintenance import SqlMaintenance
from support.memory_airflow import MemoryAirflow
from support.tiny_camera import take_exposure
from support.world import NIGHT, World, run_night


@pytest.fixture
def airflow():
    return MemoryAirflow()


@pytest.fixture
def world():
    return World()


@pytest.fixture
def dbb(airflow, world, capsys, monkeypatch):
    rows = SqlMaintenance(world.ledger)
    monkeypatch.setattr(maintenance, "_open", lambda _: (airflow, rows))
    monkeypatch.setattr(catchup, "_open_airflow", lambda _: airflow)
    monkeypatch.setattr(catchup, "_open_rows", lambda _: rows)

    def run(*arguments):
        def make_context(settings, output):
            return Context(settings, output, lambda _: world.backbone())

        code = main([*arguments, "--json"], {"DBB_LEDGER_URL": "sqlite://"}, make_context)
        written = capsys.readouterr()
        return code, json.loads(written.out or "null"), written.err

    return run


def test_drained_and_resumed(dbb, airflow):
    code, told, _ = dbb("maintenance", "drain", "--reason", "disks")
    assert (code, told["maintenance"]["dags"]) == (0, ["raw_tonight"])
    assert airflow.paused["raw_tonight"]
    code, told, _ = dbb("maintenance", "resume")
    assert (code, told["maintenance"]) == (0, None)
    assert airflow.paused == {"raw_tonight": False, "canary": True}
    assert dbb("maintenance", "resume")[0] == 0


def test_what_still_runs_is_a_finding(dbb, airflow):
    airflow.left = [Working("raw_tonight", "run", "bundle", "running")]
    code, told, err = dbb("maintenance", "drain", "--reason", "disks", "--within-s", "0")
    assert (code, told["working"]) == (1, ["bundle of raw_tonight (running)"])
    assert "drain-unfinished" in err


def test_a_range_is_planned_started_and_followed(dbb, world):
    span = ("--from", "20261120", "--to", str(NIGHT))
    assert dbb("catchup", "status")[0] == 2
    take_exposure(world.summit, 1)
    world.settle()
    code, plan, _ = dbb("catchup", "plan", *span)
    assert (code, plan["exposures"], plan["expected_end"]) == (1, 1, None)
    code, told, _ = dbb("catchup", "start", *span)
    assert (code, told["nights_done"], told["nights_left"]) == (0, 1, 1)
    assert dbb("catchup", "pause")[1]["state"] == "paused"
    assert dbb("catchup", "resume")[1]["state"] == "running"
    code, told, _ = dbb("catchup", "cancel", "--number", "1")
    assert (code, told["state"]) == (1, "ended")
    run_night(world)
    assert dbb("catchup", "status")[:1] == (0,)
    assert dbb("catchup", "plan", *span)[0] == 0
