"""``dbb sweep`` and ``dbb where --url``."""

import json

import pytest

from dbb.cli.context import Context
from dbb.cli.main import main
from support.tiny_camera import take_exposure
from support.world import World, run_night

OBS_ID = "MC_O_20261121_000001"


@pytest.fixture
def world():
    world = World()
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    return world


@pytest.fixture
def dbb(world, capsys):
    def run(*arguments):
        def make_context(settings, output):
            return Context(settings, output, lambda _: world.backbone())

        code = main(arguments, {"DBB_LEDGER_URL": "sqlite://"}, make_context)
        written = capsys.readouterr()
        return code, written.out, written.err

    return run


def test_sweep_deletes_what_killed_writers_left_and_lists_it(world, dbb):
    writer = world.stores["usdf"].create("raw/a")
    writer.__enter__()
    world.clock.advance(10)
    code, out, _ = dbb("sweep", "usdf", "--json")
    assert (code, json.loads(out)["swept"]) == (0, [])
    code, out, err = dbb("sweep", "usdf", "--older-than-s", "5")
    assert code == 0
    assert "raw/a" in out
    assert "1 unfinished files went from usdf" in err
    assert not writer.__exit__(ValueError, ValueError(), None)


def test_sweep_of_an_endpoint_that_is_none_is_misconfigured(dbb):
    code, _, err = dbb("sweep", "nowhere")
    assert code == 5
    assert "unknown-endpoint" in err


def test_where_gives_addresses_for_others(world, dbb):
    world.stores["usdf"].read_url = lambda name, valid_s: f"https://usdf/{name}?{valid_s}"
    code, out, _ = dbb("where", OBS_ID, "--url", "--valid-s", "60", "--json")
    document = json.loads(out)
    assert (code, document["schema"]) == (0, "dbb-urls/1")
    assert [item["url"].rpartition("?")[2] for item in document["urls"]] == ["60", "60"]


def test_where_gives_no_address_of_what_the_ledger_does_not_know(dbb):
    code, _, err = dbb("where", "MC_O_20261121_000077", "--url")
    assert code == 2
    assert "MC_O_20261121_000077" in err


def test_where_says_that_folders_have_no_addresses(dbb):
    code, _, err = dbb("where", OBS_ID, "--url")
    assert code == 5
    assert "no-read-url" in err
