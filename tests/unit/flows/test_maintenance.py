"""Maintenance: what ran before runs again, nothing else does, and a crash anywhere changes neither."""

import pytest

from dbb.errors import DrainUnfinished
from dbb.flows.maintenance import NEVER_HELD, Working, drain, lasting, resume
from dbb.hooks.maintenance import SqlMaintenance
from support.faults import Killed, Schedule, every_crash, faulty
from support.world import World

BEFORE = {
    "raw_tonight": False,
    "reconcile": False,
    "canary": True,
    **dict.fromkeys(NEVER_HELD, False),
}


class MemoryAirflow:
    """Hold DAGs as Airflow does: what runs ends by itself, and nothing paused begins."""

    def __init__(self, working=()):
        self.paused = dict(BEFORE)
        self.left = list(working)

    def dags(self):
        return dict(self.paused)

    def pause(self, dag_id):
        self.paused[dag_id] = True

    def unpause(self, dag_id):
        self.paused[dag_id] = False

    def working(self):
        return list(self.left)


@pytest.fixture
def rows():
    world = World()
    return SqlMaintenance(world.ledger)


def task(dag_id="reconcile"):
    return Working(dag_id, "run", "compare", "running")


def never(seconds):
    pytest.fail(f"it waits {seconds} s")


def test_what_ran_is_held_and_runs_again_and_nothing_else(rows):
    airflow = MemoryAirflow()
    held = drain(airflow, rows, "new disks", 0, never)
    assert held.dags == ("raw_tonight", "reconcile")
    assert airflow.paused == BEFORE | {"raw_tonight": True, "reconcile": True}
    assert (lasting(rows).reason, lasting(rows).begun_by) == ("new disks", "test")
    ended = resume(airflow, rows)
    assert airflow.paused == BEFORE
    assert ended.ended_at is not None
    assert lasting(rows) is None


def test_it_waits_for_what_runs_but_not_for_itself(rows):
    airflow = MemoryAirflow([task(), task("maintenance")])
    slept, told = [], []

    def sleep(seconds):
        slept.append(seconds)
        airflow.left = [task("maintenance")]

    drain(airflow, rows, "", 300, sleep, told.append)
    assert (slept, told) == ([2.0], [[task()]])


def test_what_does_not_end_is_named_and_nothing_new_begins(rows):
    airflow = MemoryAirflow([task()] * 5)
    with pytest.raises(DrainUnfinished, match=r"compare of reconcile .* and 2 more") as caught:
        drain(airflow, rows, "", 4, lambda _: None)
    assert "After 4 s" in str(caught.value)
    assert airflow.paused["reconcile"]
    assert lasting(rows).dags == ("raw_tonight", "reconcile")


def test_to_resume_where_nothing_is_held_is_nothing(rows):
    assert resume(MemoryAirflow(), rows) is None


def test_a_dag_that_is_gone_meanwhile_is_left_out(rows):
    airflow = MemoryAirflow()
    drain(airflow, rows, "", 0, never)
    del airflow.paused["reconcile"]
    resume(airflow, rows)
    assert airflow.paused == {
        name: paused for name, paused in BEFORE.items() if name != "reconcile"
    }


def test_what_a_person_started_meanwhile_is_held_by_the_next_drain(rows):
    airflow = MemoryAirflow()
    drain(airflow, rows, "first", 0, never)
    airflow.unpause("canary")
    assert drain(airflow, rows, "second", 0, never).dags == ("canary", "raw_tonight", "reconcile")
    assert lasting(rows).reason == "first"


def test_a_crash_anywhere_loses_no_dag_and_starts_no_other():
    """Kill drain and resume at every operation, and call them again."""
    made = {}

    def cycle(schedule):
        world = World()
        made["airflow"], made["rows"] = MemoryAirflow(), SqlMaintenance(world.ledger)
        both(schedule)

    def both(schedule):
        airflow, rows = (faulty(made[name], schedule) for name in ("airflow", "rows"))
        drain(airflow, rows, "", 0, never)
        resume(airflow, rows)

    sweep = list(every_crash(cycle))
    assert len(sweep) > 20
    for schedule in sweep:
        with pytest.raises(Killed):
            cycle(schedule)
        both(Schedule())
        assert made["airflow"].paused == BEFORE
        assert lasting(made["rows"]) is None
