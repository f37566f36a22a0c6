"""``dbb maintenance`` and ``dbb catchup``: what they say and their exit codes; Airflow is in memory."""

import datetime as dt
import json

import pytest

from dbb.cli import catchup, maintenance
from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.flows.catching_up import Backfill
from dbb.flows.maintenance import Working
from dbb.hooks.maintenance import SqlMaintenance
from support.tiny_camera import take_exposure
from support.world import NIGHT, World, run_night


class MemoryAirflow:
    """Pause DAGs and keep backfills."""

    def __init__(self):
        self.paused = {"raw_tonight": False, "canary": True}
        self.left = []
        self.kept = []

    def dags(self):
        return dict(self.paused)

    def pause(self, dag_id):
        self.paused[dag_id] = True

    def unpause(self, dag_id):
        self.paused[dag_id] = False

    def working(self):
        return self.left

    def start_backfill(self, dag_id, begin, end, _):
        self.kept.insert(0, Backfill(len(self.kept) + 1, dag_id, begin, end, False, None))
        return self.kept[0]

    def backfills(self, _):
        return self.kept

    def change_backfill(self, number, change):
        (old,) = (each for each in self.kept if each.number == number)
        over = dt.datetime(2026, 11, 22, tzinfo=dt.UTC) if change == "cancel" else None
        new = Backfill(number, old.dag_id, old.begin, old.end, change == "pause", over)
        self.kept[self.kept.index(old)] = new
        return new


@pytest.fixture
def airflow():
    return MemoryAirflow()


@pytest.fixture
def world():
    return World()


@pytest.fixture
def dbb(airflow, world, capsys, monkeypatch):
    rows = SqlMaintenance(world.ledger, world.clock)
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
