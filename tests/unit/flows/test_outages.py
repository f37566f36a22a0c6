"""The account of outages over a ledger in SQLite, and the command that shows it."""

import json

import pytest

from dbb.cli.context import Context
from dbb.cli.main import main
from support.conformance_outages import *  # noqa: F403
from support.conformance_outages import HOUR, take
from support.world import World, run_night


@pytest.fixture
def world():
    made = World()
    take(made, 1)
    run_night(made)
    return made


@pytest.mark.parametrize(("hours", "code"), [(0.5, 0), (2, 0), (25, 1)])
def test_the_command_ends_red_after_more_than_a_day(world, capsys, hours, code):
    take(world, 2)
    world.clock.advance(hours * HOUR)
    run_night(world)

    def make_context(settings, output):
        return Context(settings, output, lambda _: world.backbone())

    assert main(["outages", "--json"], {"DBB_LEDGER_URL": "sqlite://"}, make_context) == code
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["limit_hours"], told["kept"]) == ("dbb-outages/1", 24, not code)
    assert len(told["outages"]) == (hours >= 1)
