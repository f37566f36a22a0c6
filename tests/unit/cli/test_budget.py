"""``dbb budget``: the account follows what happens to the copies."""

import json

import pytest

from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.hooks.drills import SqlDrills
from dbb.model.delivery import State
from dbb.model.drill import Drill, DrillKind
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
def budget(world, capsys):
    def run(*arguments):
        def make_context(settings, output):
            return Context(settings, output, lambda _: world.backbone())

        code = main(["budget", *arguments, "--json"], SET, make_context)
        told = json.loads(capsys.readouterr().out)
        run.campaign = told["campaign"]
        return code, told["loss"]

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


def test_the_bound_of_the_last_campaign_and_the_coverage_stand_beside_it(world, budget):
    run_night(world)
    _, row = budget()
    assert budget.campaign is None
    assert row["coverage"] == 1
    now = world.clock.now()
    for units, wrong in ((80_000, ("one bit",)), (80_000, ())):
        world.clock.advance(60)
        SqlDrills(world.ledger).note(
            Drill(
                DrillKind.CORRUPTIONS,
                "8 kinds",
                now,
                world.clock.now(),
                units,
                units,
                1,
                1.0,
                wrong,
            )
        )
    budget()
    assert (budget.campaign["units"], budget.campaign["wrong"]) == (80_000, [])
    assert 3.7e-5 < budget.campaign["missed_share_at_most"] < 3.8e-5
    world.clock.advance(91 * 86400)
    assert budget()[1]["coverage"] == 0
