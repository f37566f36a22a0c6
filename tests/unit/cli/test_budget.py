"""``dbb budget``: the account follows what happens to the copies."""

import json

import pytest

from dbb import wiring
from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.hooks.keeping import SqlKeeping
from dbb.model.delivery import State
from support.tiny_camera import DETECTORS, take_exposure, unit_name
from support.world import World, run_night

SET = {"DBB_LEDGER_URL": "sqlite://"}
IMAGES = len(DETECTORS)


@pytest.fixture
def world():
    made = World()
    for number in (1, 2):
        take_exposure(made.summit, number)
    made.settle()
    return made


@pytest.fixture
def budget(world, capsys, monkeypatch):
    monkeypatch.setattr(wiring, "open_keeping", lambda *_: SqlKeeping(world.ledger, world.clock))

    def run(*arguments):
        def make_context(settings, output):
            return Context(settings, output, lambda _: world.backbone())

        code = main(["budget", *arguments, "--json"], SET, make_context)
        return code, json.loads(capsys.readouterr().out)["loss"]

    return run


def test_a_published_night_is_read_and_whole(world, budget):
    run_night(world)
    code, row = budget()
    assert code == 0
    assert (row["images"], row["read_again"], row["one_copy"]) == (2 * IMAGES, 2 * IMAGES, 0)
    assert (row["lost"], row["suspected"]) == (0, 0)


def test_a_reading_counts_for_a_period(world, budget):
    run_night(world)
    world.clock.advance(91 * 86400)
    assert budget()[1]["read_again"] == 0
    assert budget("--days", "100")[1]["read_again"] == 2 * IMAGES


def test_a_unit_with_one_good_copy_is_told_and_one_with_none_is_suspected_then_lost(world, budget):
    run_night(world)
    unit = unit_name(1)
    world.ledger.advance([unit], "frdf", State.PUBLISHED, State.SUSPECT, "for the test")
    assert budget()[1]["one_copy"] == IMAGES
    world.ledger.advance([unit], "usdf", State.PUBLISHED, State.MISSING, "for the test")
    code, row = budget()
    assert (code, row["suspected"], row["lost"]) == (1, IMAGES, 0)
    world.ledger.advance([unit], "usdf", State.MISSING, State.LOST, "for the test")
    code, row = budget()
    assert (code, row["suspected"], row["lost"], row["kept"]) == (1, 0, IMAGES, False)


def test_what_waits_at_the_summit_is_neither_lost_nor_suspected(world, budget):
    from dbb.flows.arrivals import receive_arrivals
    from support.world import NIGHT

    receive_arrivals(world.backbone(), NIGHT)
    code, row = budget()
    assert (code, row["suspected"], row["read_again"]) == (0, 0, 0)
    assert row["lost_share_at_most"] is None
