"""``dbb scrub``: how old readings are, and reading now; the exit code tells what was found."""

import json

import pytest

from dbb.cli import scrub
from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.hooks.keeping import SqlKeeping
from support.tiny_camera import take_exposure
from support.world import World, run_night

SET = {"DBB_LEDGER_URL": "sqlite://"}


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
    monkeypatch.setattr(scrub, "_open", lambda _: SqlKeeping(world.ledger))

    def run(*arguments):
        def make_context(settings, output):
            return Context(settings, output, lambda _: world.backbone())

        code = main(["scrub", *arguments, "--json"], SET, make_context)
        written = capsys.readouterr()
        return code, json.loads(written.out)["endpoints"], written.err

    return run


def test_a_night_just_published_is_covered(dbb):
    code, rows, _ = dbb("status")
    assert code == 0
    assert {row["endpoint"]: (row["copies"], row["overdue"]) for row in rows} == {
        "usdf": (2, 0), "chile": (0, 0), "frdf": (2, 0), "ukdf": (0, 0),
    }  # fmt: skip


def test_what_is_overdue_is_a_finding_and_a_run_makes_it_good(dbb, world):
    world.clock.advance(91 * 86400)
    code, rows, _ = dbb("status", "--endpoint", "frdf")
    assert code == 1
    assert (rows[0]["overdue"], rows[0]["needed_bytes_per_s"]) == (2, None)
    code, rows, told = dbb("run", "--endpoint", "frdf", "--share-s", "60")
    assert (code, rows[0]["overdue"]) == (0, 0)
    assert "frdf: 2 copies" in told
    assert "0 not right; ended by: all read" in told


def test_a_run_that_finds_damage_says_so(dbb, world):
    world.clock.advance(91 * 86400)
    store = world.stores["frdf"]
    name = next(name for name in store.names if name.endswith(".zip"))
    store.put(name, bytes([store.data(name)[0] ^ 1]) + store.data(name)[1:])
    code, rows, told = dbb("run", "--endpoint", "frdf")
    assert code == 4
    assert (rows[0]["copies"], rows[0]["damaged_in_period"]) == (1, 1)
    assert "1 not right" in told


def test_an_endpoint_that_is_none_is_refused(capsys):
    code = main(
        ["scrub", "status", "--endpoint", "mars"], SET, lambda s, o: Context(s, o, lambda _: None)
    )
    assert code == 5
    assert "unknown-endpoint" in capsys.readouterr().err
