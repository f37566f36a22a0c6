"""``dbb ledger rebuild``: it says what came back, and what did not."""

import json

from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from support.tiny_camera import take_exposure, unit_name
from support.world import World, run_night

SET = {"DBB_LEDGER_URL": "sqlite://"}


def rebuild(world, capsys, *arguments):
    def make_context(settings, output):
        return Context(settings, output, lambda _: world.backbone())

    code = main(["ledger", "rebuild", *arguments, "--json"], SET, make_context)
    return code, json.loads(capsys.readouterr().out)


def burnt_world():
    world = World()
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    world.ledger = SqlLedger(open_engine("sqlite://"), world.clock, "test")
    world.ledger.migrate()
    return world


def test_what_came_back_is_told(capsys):
    code, told = rebuild(burnt_world(), capsys)
    assert code == 0
    assert (told["units"], told["copies"]) == ([unit_name(1)], 2)


def test_a_bad_copy_is_told_and_is_damage(capsys):
    world = burnt_world()
    store = world.stores["frdf"]
    name = next(name for name in store.names if name.endswith(".zip"))
    store.put(name, store.data(name)[:-1])
    code, told = rebuild(world, capsys, "--endpoint", "usdf", "--endpoint", "frdf")
    assert code == 4
    assert list(told["bad"]) == [f"frdf:{unit_name(1)}"]
