"""Buffers: how long they last is told in time, and only what is safe is released."""

import dataclasses
import datetime as dt

import pytest

from dbb.flows.buffers import Buffer, Level, measure_buffers, release_what_is_safe
from dbb.hooks.keeping import SqlKeeping
from dbb.model.delivery import State
from dbb.model.endpoint import Endpoint, Role
from support.tiny_camera import take_exposure
from support.world import World, run_night

SUMMIT = Endpoint("summit", "Summit", Role.SOURCE, "", "", "", "default", buffer_bytes=10**9)
ARCHIVE = dataclasses.replace(SUMMIT, name="usdf", role=Role.ARCHIVE)
TB = 10**12


@pytest.fixture
def world():
    made = World()
    for number in (1, 2, 3):
        take_exposure(made.summit, number)
    made.settle()
    return made


def rows_of(world):
    return SqlKeeping(world.ledger)


def measure(world, endpoint=SUMMIT):
    (buffer,) = measure_buffers(world.backbone(), rows_of(world), [ARCHIVE, endpoint])
    return buffer


def test_what_lies_there_is_counted_whatever_the_ledger_says(world):
    store = world.summit
    buffer = measure(world)
    assert (buffer.files, buffer.used_bytes) == (
        len(store.names),
        sum(len(store.data(name)) for name in store.names),
    )
    assert buffer.hours_left is None
    assert buffer.level is Level.WELL


def test_what_arrives_is_the_busiest_day_of_the_week(world):
    run_night(world)
    first = measure(world).busiest_day_bytes
    units = world.ledger.units_of_night("LSSTCam", 20261121)
    assert first == sum(row.size_bytes for row in units)
    world.clock.advance(86400)
    take_exposure(world.summit, 4)
    world.settle()
    run_night(world)
    assert measure(world).busiest_day_bytes == first
    world.clock.advance(8 * 86400)
    assert measure(world).busiest_day_bytes == 0


def buffer(used, arriving, capacity=100 * TB):
    return Buffer("summit", capacity, used, 1, arriving, needed_h=48)


@pytest.mark.parametrize(
    ("used", "arriving", "level", "hours"),
    [
        (0, 0, Level.WELL, None),
        (10 * TB, 10 * TB, Level.WELL, 216),
        (50 * TB, 10 * TB, Level.FILLING, 120),
        (79 * TB, 10 * TB, Level.FILLING, 50.4),
        (80 * TB, 1 * TB, Level.NEARLY_FULL, 480),
        (120 * TB, 1 * TB, Level.NEARLY_FULL, 0),
    ],
)
def test_the_level_says_what_to_do(used, arriving, level, hours):
    found = buffer(used, arriving)
    assert found.level is level
    assert found.hours_left == pytest.approx(hours)


def test_a_buffer_that_does_not_last_twice_the_time_to_repair_is_an_alarm():
    assert buffer(0, 50 * TB).level is Level.WELL  # exactly 48 hours
    assert buffer(0, 51 * TB).level is Level.NEARLY_FULL


def test_a_buffer_of_unknown_size_is_no_well_one():
    assert buffer(10 * TB, TB, capacity=0).level is Level.UNKNOWN


def test_what_became_safe_later_is_released_of_whatever_night(world):
    backbone = world.backbone()
    run_night(world)
    done = {row.unit for row in world.ledger.units_of_night("LSSTCam", 20261121)}
    assert {world.state(unit, "summit") for unit in done} == {State.RELEASED}
    # A night whose second copy came only after its own run, and that no run takes up any more.
    take_exposure(world.summit, 4)
    world.settle()
    with_one_copy = dataclasses.replace(world.policy, copies_before_release=3)
    world.policy, kept = with_one_copy, world.policy
    run_night(world)
    unit = next(
        row.unit for row in world.ledger.units_of_night("LSSTCam", 20261121) if row.unit not in done
    )
    assert world.state(unit, "summit") is State.VERIFIED
    assert release_what_is_safe(world.backbone(), rows_of(world)) == 0
    world.policy = kept
    world.clock.advance(dt.timedelta(days=30).total_seconds())
    assert release_what_is_safe(world.backbone(), rows_of(world)) == 1
    assert world.state(unit, "summit") is State.RELEASED
    assert release_what_is_safe(backbone, rows_of(world)) == 0
