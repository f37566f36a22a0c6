"""``dbb alarms``: the list, the log, and looking now."""

import json

import pytest

from dbb.cli import alarms
from dbb.cli.main import main
from dbb.flows.alarm_checks import find_decisions
from dbb.flows.alarming import Watch
from dbb.hooks.alarms import SqlAlarms
from support.tiny_camera import DETECTORS, image_name, take_exposure
from support.world import World, run_night


@pytest.fixture
def dbb(capsys, monkeypatch):
    world = World()
    world.summit.put(image_name(take_exposure(world.summit, 1), DETECTORS[0]), b"not FITS")
    world.settle()
    run_night(world)
    watch = Watch(
        SqlAlarms(world.ledger),
        world.clock,
        {"decision": lambda: find_decisions(world.backbone())},
        [],
        lambda alarm: alarm.link,
    )
    monkeypatch.setattr(alarms, "_open_watch", lambda _: watch)
    monkeypatch.setattr(alarms, "_open_log", lambda _: (watch.rows, world.clock))

    def run(*arguments):
        code = main(["alarms", *arguments, "--json"], {"DBB_LEDGER_URL": "sqlite://"})
        return code, json.loads(capsys.readouterr().out)["alarms"]

    run.world = world
    return run


def test_nothing_is_open_until_somebody_looks(dbb):
    assert dbb("list") == (0, [])
    code, (alarm,) = dbb("watch")
    assert (code, alarm["where"], alarm["link"]) == (1, "summit", "night/20261121")
    assert dbb("list") == (1, [alarm])


def test_what_is_over_stays_in_the_log(dbb):
    dbb("watch")
    refusals = dbb.world.ledger.refusals()
    dbb.world.ledger.decide([each.refusal_id for each in refusals], "rejected", "me")
    assert dbb("watch") == (0, [])
    code, (alarm,) = dbb("list", "--all")
    assert code == 0
    assert alarm["ended_at"]
