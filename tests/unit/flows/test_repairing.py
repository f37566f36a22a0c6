"""Repairing the archive: the manifest is right, a good copy comes back, what is lost is named."""

import contextlib
import dataclasses

import pytest

from dbb.errors import PlanRefused, StoreUnavailable
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.gating import apply_gate
from dbb.flows.healing import apply_mending
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.flows.repairing import (
    HOLD,
    LAND,
    LOSE,
    RESTORE,
    TRUST,
    carry_out,
    finish_repairs,
    plan_repairs,
)
from dbb.flows.verifying import verify_units
from dbb.hooks.keeping import SqlKeeping
from dbb.model.delivery import State
from support.fake_nights import open_sources
from support.faults import Killed, every_crash
from support.tiny_camera import take_exposure
from support.world import NIGHT, World, run_night

ORDER = ("frdf", "ukdf", "chile")
ARCHIVE = "usdf"


def make_world(exposures=3):
    made = World()
    for number in range(1, exposures + 1):
        take_exposure(made.summit, number)
    made.settle()
    run_night(made)
    return made


@pytest.fixture
def world():
    return make_world()


def rot(world, endpoint, unit, ending=".zip"):
    """Flip one bit under an unchanged size."""
    store = world.stores[endpoint]
    obs_id = unit.rpartition("/")[2]
    name = next(name for name in store.names if obs_id in name and name.endswith(ending))
    data = store.data(name)
    store.put(name, data[:100] + bytes([data[100] ^ 1]) + data[101:])


def lose(world, endpoint, unit):
    store = world.stores[endpoint]
    obs_id = unit.rpartition("/")[2]
    store.delete([name for name in store.names if obs_id in name])


def units_of(world):
    return [row.unit for row in world.ledger.units_of_night("LSSTCam", 20261121)]


def scrub(world, endpoint=ARCHIVE):
    backbone = world.backbone()
    rows = list(backbone.ledger.units(units_of(world)).values())
    return [item for item in verify_units(backbone, rows, [endpoint], record=True) if item.error]


def plan(world):
    return plan_repairs(world.backbone(), SqlKeeping(world.ledger), ORDER)


def apply(world, sha256, **options):
    rows = SqlKeeping(world.ledger)
    return apply_mending(open_sources(world), rows, ORDER, sha256, **options)


def finish(world):
    return finish_repairs(world.backbone(), SqlKeeping(world.ledger))


def repair(world):
    """Do what two runs of the DAG do, with Rucio's daemons in between."""
    finish(world)
    if found := plan(world):
        apply(world, found.sha256)
    world.catalog.run_daemons()
    return finish(world)


def all_right(world):
    backbone = world.backbone()
    rows = list(backbone.ledger.units(units_of(world)).values())
    readings = list(verify_units(backbone, rows, [ARCHIVE, "frdf"]))
    return len(readings) == 2 * len(rows) and all(item.error is None for item in readings)


@pytest.mark.parametrize("ending", [".zip", ".manifest.json"])
def test_a_rotten_copy_at_the_archive_comes_back_without_a_person(world, ending):
    unit = units_of(world)[0]
    rot(world, ARCHIVE, unit, ending)
    assert len(scrub(world)) == 1
    assert world.state(unit, ARCHIVE) is State.SUSPECT
    assert repair(world) == {"restored": 1, "waiting": 0}
    assert world.state(unit, ARCHIVE) is State.PUBLISHED
    assert world.codes() == []
    assert all_right(world)
    assert not plan(world)


def test_a_copy_that_is_gone_comes_back(world):
    unit = units_of(world)[1]
    lose(world, ARCHIVE, unit)
    scrub(world)
    assert world.state(unit, ARCHIVE) is State.MISSING
    assert repair(world)["restored"] == 1
    assert all_right(world)


def test_a_plan_changes_nothing_and_says_what_would_be_done(world):
    bad, gone, _ = units_of(world)
    rot(world, ARCHIVE, bad)
    lose(world, ARCHIVE, gone)
    scrub(world)
    before = world.ledger.deliveries(units_of(world))
    (line,) = plan(world).lines
    assert (line.action, line.detail, line.names) == (RESTORE, "from frdf", (bad, gone))
    assert world.ledger.deliveries(units_of(world)) == before


def test_a_second_reading_that_is_right_trusts_the_copy_again(world):
    unit = units_of(world)[0]
    rot(world, ARCHIVE, unit)
    scrub(world)
    rot(world, ARCHIVE, unit)  # the same bit again: it was the reading and not the disk
    (line,) = plan(world).lines
    assert line.action == TRUST
    apply(world, plan(world).sha256)
    assert world.state(unit, ARCHIVE) is State.PUBLISHED
    assert world.codes() == []


def test_a_copy_elsewhere_is_believed_only_when_it_was_read_now(world):
    unit = units_of(world)[0]
    for place in (ARCHIVE, "frdf"):
        rot(world, place, unit)
    scrub(world)  # nobody has looked at frdf: the ledger says published there
    (line,) = plan(world).lines
    assert line.action == LOSE
    assert "read were usdf and frdf" in line.detail
    apply(world, plan(world).sha256)
    assert world.state(unit, ARCHIVE) is State.LOST
    assert world.codes(unit) == ["copies-lost", "digest-mismatch"]
    world.catalog.run_daemons()
    assert finish(world) == {"restored": 0, "waiting": 0}
    assert world.state(unit, ARCHIVE) is State.LOST  # never silently published again


def test_a_majority_of_bad_copies_does_not_outvote_the_manifest():
    world = make_world(1)
    (unit,) = units_of(world)
    for place in (ARCHIVE, "frdf"):
        rot(world, place, unit)  # two equal copies that are wrong
    scrub(world)
    assert plan(world).lines[0].action == LOSE


# -- what is not lost yet --------------------------------------------------------------------------


def landed_world():
    """The night is published at the archive only, and the summit still has its files."""
    world = World()
    take_exposure(world.summit, 1)
    world.settle()
    backbone = world.backbone()
    work = receive_arrivals(backbone, NIGHT).work
    land_units(backbone, work)
    apply_gate(backbone, work, {})
    register_units(backbone, work)
    publish_units(backbone, work, ARCHIVE)
    return world


def test_what_the_summit_still_has_is_bundled_again_and_never_lost():
    world = landed_world()
    (unit,) = units_of(world)
    rot(world, ARCHIVE, unit)
    scrub(world)
    (line,) = plan(world).lines
    assert line.action == LAND
    apply(world, plan(world).sha256)
    assert world.state(unit, "summit") is State.VERIFIED
    assert plan(world).lines[0].action == TRUST
    apply(world, plan(world).sha256)
    assert world.state(unit, ARCHIVE) is State.PUBLISHED
    run_night(world)
    assert is_whole(world)
    assert world.state(unit, "summit") is State.RELEASED


@pytest.mark.parametrize("state", [State.SUSPECT, State.MISSING])
def test_a_good_copy_that_is_not_published_keeps_a_unit_from_being_lost(world, state):
    unit = units_of(world)[0]
    rot(world, ARCHIVE, unit)
    scrub(world)
    world.ledger.advance([unit], "frdf", State.PUBLISHED, state, "for the test")
    (line,) = plan(world).lines
    assert line.action == HOLD
    apply(world, plan(world).sha256)
    assert world.state(unit, ARCHIVE) is State.SUSPECT
    assert world.ledger.deliveries([unit])[unit, ARCHIVE].waits_for == line.detail
    world.ledger.advance([unit], "frdf", state, State.ARRIVED, "it is there after all")
    publish_units(world.backbone(), [unit], "frdf")
    assert repair(world)["restored"] == 1
    assert all_right(world)


def test_an_endpoint_that_is_away_costs_no_unit_and_no_neighbour(world, monkeypatch):
    held, trusted, _ = units_of(world)
    for unit in (held, trusted):
        rot(world, ARCHIVE, unit)
    scrub(world)
    rot(world, ARCHIVE, trusted)  # right again
    away = StoreUnavailable.for_store("frdf", "away")

    def unreachable(*_, **__):
        raise away

    with monkeypatch.context() as patch:
        patch.setattr(world.stores["frdf"], "open", unreachable)
        assert [(line.action, line.names) for line in plan(world).lines] == [
            (TRUST, (trusted,)),
            (HOLD, (held,)),
        ]
        apply(world, plan(world).sha256)
        assert world.state(trusted, ARCHIVE) is State.PUBLISHED
        assert world.state(held, ARCHIVE) is State.SUSPECT
    assert repair(world)["restored"] == 1
    assert all_right(world)


def test_a_good_copy_where_the_archive_has_no_link_from_is_told_and_not_lost(world):
    unit = units_of(world)[0]
    rot(world, ARCHIVE, unit)
    scrub(world)
    found = plan_repairs(world.backbone(), SqlKeeping(world.ledger), ("ukdf",))
    assert [line.action for line in found.lines] == [HOLD]


def test_a_stale_plan_is_refused(world):
    first, second, _ = units_of(world)
    rot(world, ARCHIVE, first)
    scrub(world)
    old = plan(world)
    rot(world, ARCHIVE, second)
    scrub(world)
    with pytest.raises(PlanRefused):
        apply(world, old.sha256)
    with pytest.raises(PlanRefused):
        apply(world, plan(world).sha256[:11])
    assert {world.state(unit, ARCHIVE) for unit in (first, second)} == {State.SUSPECT}


def test_much_damage_at_once_waits_for_a_person():
    world = make_world(12)
    for unit in units_of(world)[:11]:
        lose(world, ARCHIVE, unit)
    scrub(world)
    found = plan(world)
    with pytest.raises(PlanRefused, match="over one per cent"):
        apply(world, found.sha256)
    assert world.state(units_of(world)[0], ARCHIVE) is State.MISSING
    apply(world, found.sha256, accept_large=True)
    world.catalog.run_daemons()
    assert finish(world) == {"restored": 11, "waiting": 0}
    assert all_right(world)


def test_what_comes_back_bad_is_judged_anew(world):
    unit = units_of(world)[0]
    rot(world, ARCHIVE, unit)
    scrub(world)
    apply(world, plan(world).sha256)
    world.catalog.run_daemons()
    rot(world, ARCHIVE, unit)
    assert finish(world) == {"restored": 0, "waiting": 1}
    assert world.state(unit, ARCHIVE) is State.SUSPECT
    assert repair(world)["restored"] == 1
    assert all_right(world)


def test_a_repair_on_its_way_is_not_planned_twice(world):
    unit = units_of(world)[0]
    rot(world, ARCHIVE, unit)
    scrub(world)
    apply(world, plan(world).sha256)
    assert not plan(world)
    assert finish(world) == {"restored": 0, "waiting": 1}


def damaged_world():
    world = make_world()
    rot(world, ARCHIVE, units_of(world)[0])
    lose(world, ARCHIVE, units_of(world)[1])
    scrub(world)
    return world


def attempt(world, schedule=None):
    """Do what runs of the DAG do until nothing is left."""
    backbone = world.backbone(schedule)
    rows = SqlKeeping(world.ledger)
    for _ in range(3):
        finish_repairs(backbone, rows)
        if found := plan_repairs(backbone, rows, ORDER):
            carry_out(backbone, found)
        world.catalog.run_daemons()
        world.clock.advance(7200)


def is_whole(world):
    states = {world.state(unit, ARCHIVE) for unit in units_of(world)}
    return states == {State.PUBLISHED} and world.codes() == [] and all_right(world)


def test_killed_anywhere_and_run_again_every_copy_is_back():
    crashes = 0
    for schedule in every_crash(lambda schedule: attempt(damaged_world(), schedule)):
        world = damaged_world()
        # Nothing comes after an operation that failed by itself: opening a file that is gone.
        with contextlib.suppress(Killed):
            attempt(world, schedule)
        crashes += schedule.has_struck
        attempt(world)
        assert is_whole(world), schedule
    assert crashes > 50


def test_the_sweep_notices_a_repair_that_believes_without_reading(monkeypatch):
    """The planted bug: what Rucio brought is published unread."""
    world = damaged_world()
    apply(world, plan(world).sha256)
    world.catalog.run_daemons()
    rot(world, ARCHIVE, units_of(world)[0])
    monkeypatch.setattr("dbb.flows.repairing._is_right", lambda *_: True)
    finish(world)
    assert not is_whole(world)


def test_a_unit_that_rucio_never_knew_is_registered_first():
    world = make_world(1)
    (unit,) = units_of(world)
    facts = dataclasses.asdict(world.ledger.units([unit])[unit])
    assert facts["gate"] == "passed"
    # As a run that was killed between reading back and registration leaves it, with a manifest that was
    # unreadable for a moment.
    rot(world, ARCHIVE, unit)
    scrub(world)
    rot(world, ARCHIVE, unit)
    world.catalog.files.clear()
    world.catalog.datasets.clear()
    apply(world, plan(world).sha256)
    assert world.state(unit, ARCHIVE) is State.PUBLISHED
    assert world.catalog.files
