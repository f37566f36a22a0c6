"""``dbb repair``: what is read out is what is done; the exit code tells whether there is something."""

import json

import pytest

from dbb.cli import repair
from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.flows.verifying import verify_units
from dbb.hooks.keeping import SqlKeeping
from dbb.model.delivery import State
from support.fake_nights import open_sources
from support.tiny_camera import take_exposure, unit_name
from support.world import World, run_night

SET = {"DBB_LEDGER_URL": "sqlite://"}
UNIT = unit_name(1)


@pytest.fixture
def world():
    made = World()
    for number in (1, 2):
        take_exposure(made.summit, number)
    made.settle()
    run_night(made)
    return made


@pytest.fixture
def dbb(world, capsys, monkeypatch):
    monkeypatch.setattr(repair, "_open", lambda _: SqlKeeping(world.ledger))

    def run(*arguments):
        def make_context(settings, output):
            return Context(
                settings, output, lambda _: world.backbone(), lambda *_: open_sources(world)
            )

        code = main(["repair", *arguments, "--json"], SET, make_context)
        written = capsys.readouterr()
        return code, json.loads(written.out) if written.out else None, written.err

    return run


def damage(world):
    store = world.stores["usdf"]
    name = next(name for name in store.names if name.endswith("000001.zip"))
    store.put(name, bytes([store.data(name)[0] ^ 1]) + store.data(name)[1:])
    rows = list(world.ledger.units([UNIT]).values())
    list(verify_units(world.backbone(), rows, ["usdf"], record=True))


def test_with_nothing_broken_there_is_nothing_to_do(dbb):
    code, plan, _ = dbb("plan")
    assert (code, plan["lines"]) == (0, [])


def test_what_was_planned_is_done(dbb, world):
    damage(world)
    code, plan, _ = dbb("plan")
    assert code == 1
    assert [(line["action"], line["names"]) for line in plan["lines"]] == [("restore", [UNIT])]
    code, done, _ = dbb("apply", "--plan", plan["sha256"][:12])
    assert (code, done) == (0, plan)
    world.catalog.run_daemons()
    code, plan, _ = dbb("plan")
    assert code == 0  # it is on its way
    assert dbb("apply", "--plan", plan["sha256"])[0] == 0
    assert world.state(UNIT, "usdf") is State.PUBLISHED


def test_another_plan_is_refused(dbb, world):
    damage(world)
    code, _, told = dbb("apply", "--plan", "0" * 64)
    assert code == 1
    assert "plan-refused" in told
    assert world.state(UNIT, "usdf") is State.SUSPECT
