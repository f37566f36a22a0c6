"""The ledger burns: from stores and manifests alone it comes back, and the next night's run ends as before."""

import contextlib
import dataclasses

import pytest

from dbb.flows.rebuilding import rebuild_ledger
from dbb.flows.repairing import carry_out, finish_repairs, plan_repairs
from dbb.hooks.engine import open_engine
from dbb.hooks.inbox import SqlInbox
from dbb.hooks.keeping import SqlKeeping
from dbb.hooks.ledger import SqlLedger
from dbb.model.delivery import State
from support.faults import Killed, every_crash
from support.tiny_camera import take_exposure, unit_name
from support.world import World, run_night

PLACES = ("usdf", "frdf", "ukdf", "chile")
UNITS = [unit_name(number) for number in (1, 2, 3)]
ENDPOINTS = ("summit", "usdf", "frdf")


def make_world():
    made = World()
    for number in (1, 2, 3):
        take_exposure(made.summit, number)
    made.settle()
    run_night(made)
    return made


@pytest.fixture
def world():
    return make_world()


def burn(world):
    """Lose the ledger; give what it said."""
    old = world.ledger
    world.ledger = SqlLedger(open_engine("sqlite://"), world.clock, "test")
    world.ledger.migrate()
    world.inbox = SqlInbox(world.ledger)
    return old


def rebuild(world, schedule=None):
    return rebuild_ledger(world.backbone(schedule), PLACES)


def told(ledger):
    """Say what a reader sees: units, facts, and where each is."""
    rows = {
        name: dataclasses.replace(row, changed_at=None) for name, row in ledger.units(UNITS).items()
    }
    states = {key: item.state for key, item in ledger.deliveries(UNITS).items()}
    return rows, ledger.facts_of(UNITS), states


def test_after_a_fire_the_ledger_says_what_it_said_before(world):
    before = told(burn(world))
    found = rebuild(world)
    assert (found.units, found.copies, found.bad, found.unreadable) == (UNITS, 6, {}, {})
    run_night(world)
    assert told(world.ledger) == before
    assert {world.state(UNITS[0], place) for place in ENDPOINTS} == {
        State.RELEASED,
        State.PUBLISHED,
    }
    assert rebuild(world).units == []


def test_nothing_is_believed_unread(world):
    burn(world)
    store = world.stores["frdf"]
    name = next(name for name in store.names if name.endswith("000002.zip"))
    store.put(name, bytes([store.data(name)[0] ^ 1]) + store.data(name)[1:])
    found = rebuild(world)
    assert list(found.bad) == [f"frdf:{UNITS[1]}"]
    assert world.state(UNITS[1], "frdf") is State.SUSPECT
    assert world.codes(UNITS[1]) == ["digest-mismatch"]


def test_a_burnt_archive_comes_back_with_the_ledger(world):
    before = told(burn(world))
    archive = world.stores["usdf"]
    archive.delete([name for name in archive.names if name.startswith("raw/")])
    found = rebuild(world)
    assert (found.units, found.copies) == (UNITS, 3)
    assert {world.state(unit, "usdf") for unit in UNITS} == {State.MISSING}
    run_night(world)
    rows = SqlKeeping(world.ledger)
    for _ in range(2):
        finish_repairs(world.backbone(), rows)
        if plan := plan_repairs(world.backbone(), rows, PLACES[1:]):
            carry_out(world.backbone(), plan)
        world.catalog.run_daemons()
    run_night(world)
    finish_repairs(world.backbone(), rows)
    assert told(world.ledger)[2] == before[2]


def test_files_still_at_the_summit_are_compared_before_they_go():
    world = World()
    for number in (1, 2, 3):
        take_exposure(world.summit, number)
    world.settle()
    kept = {name: world.summit.data(name) for name in world.summit.names}
    run_night(world)
    burn(world)
    changed = next(name for name in kept if "000001" in name and name.endswith(".fits"))
    for name, data in kept.items():
        world.summit.put(name, data + b" " if name == changed else data)
    world.settle()
    rebuild(world)
    run_night(world)
    assert {world.state(unit, "summit") for unit in UNITS} == {State.RELEASED}
    assert world.codes() == ["conflicting-duplicate"]
    assert [name for name in world.summit.names if not name.startswith("quarantine/")] == []


def test_a_manifest_that_cannot_be_read_costs_only_itself(world):
    burn(world)
    for place in ("usdf", "frdf"):
        store = world.stores[place]
        store.put(
            next(name for name in store.names if name.endswith("000001.manifest.json")), b"{}"
        )
    found = rebuild(world)
    assert len(found.unreadable) == 2
    assert found.units == UNITS[1:]


def test_killed_anywhere_and_run_again_the_ledger_is_whole():
    world = make_world()
    before = told(world.ledger)
    burn(world)
    crashes = 0
    for schedule in every_crash(lambda counting: rebuild(fresh(), counting)):
        burnt = fresh()
        with contextlib.suppress(Killed):
            rebuild(burnt, schedule)
        crashes += schedule.has_struck
        rebuild(burnt)
        run_night(burnt)
        assert told(burnt.ledger) == before, schedule
    assert crashes > 50


def fresh():
    world = make_world()
    burn(world)
    return world
