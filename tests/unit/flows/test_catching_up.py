"""Catching up: what is left is counted by the ledger and the source's listing alike."""

import datetime as dt

from dbb.flows.catching_up import (
    Backfill,
    closing_of,
    plan_catch_up,
    progress_of,
    start_catch_up,
)
from dbb.flows.verdict import Verdict
from dbb.hooks.maintenance import SqlMaintenance
from dbb.model.day_obs import DayObs
from support.tiny_camera import take_exposure
from support.world import NIGHT, World, run_night


class MemoryBackfills:
    """Remember what was asked for."""

    def __init__(self):
        self.asked = []

    def start_backfill(self, *asked):
        self.asked.append(asked)
        return Backfill(1, asked[0], asked[1], asked[2], False, None)


def world_of(*numbers):
    world = World()
    for number in numbers:
        take_exposure(world.summit, number)
    world.settle()
    return world


def plan(world, *nights):
    rows = SqlMaintenance(world.ledger)
    return plan_catch_up(world.backbone(), rows, nights or [NIGHT])


def test_what_the_ledger_has_never_seen_is_counted_from_the_listing():
    world = world_of(1, 2)
    files = list(world.summit.list_files(""))
    found = plan(world)
    assert (found.exposures, found.size_bytes) == (2, sum(file.size_bytes for file in files))
    assert (found.speed, found.expected_end) == (None, None)


def test_a_finished_night_has_nothing_left_and_gives_the_speed():
    world = world_of(1, 2)
    run_night(world)
    found = plan(world)
    assert (found.exposures, found.size_bytes) == (0, 0)
    assert found.speed.exposures_per_h == 2
    assert found.expected_end == found.as_of


def test_a_third_exposure_after_the_night_is_the_one_that_is_left():
    world = world_of(1, 2)
    run_night(world)
    take_exposure(world.summit, 3)
    found = plan(world, NIGHT, NIGHT.next())
    assert [night.exposures for night in found.nights] == [1, 0]
    assert found.expected_end - found.as_of >= dt.timedelta(minutes=30)


def test_the_first_and_the_last_night_are_both_of_it():
    asked = MemoryBackfills()
    made = start_catch_up(asked, DayObs(20261119), NIGHT, 2)
    assert asked.asked == [("raw_transfer", closing_of(DayObs(20261119)), closing_of(NIGHT), 2)]
    assert made.nights == [DayObs(20261119), DayObs(20261120), NIGHT]


def test_progress_is_the_ledgers_verdict_not_airflows():
    world = world_of(1)
    begin = closing_of(DayObs(20261120))
    backfill = Backfill(7, "raw_transfer", begin, closing_of(NIGHT), False, begin)
    run_night(world)
    told = progress_of(world.backbone(), backfill)
    assert told.verdicts == ((DayObs(20261120), Verdict.EMPTY), (NIGHT, Verdict.SAFE))
    assert (told.done, told.to_json()["state"]) == (2, "ended")


def test_a_night_that_the_ledger_has_not_seen_is_not_done():
    world = world_of(1)
    world.clock.advance(2 * 86400)  # the night is over
    backfill = Backfill(7, "raw_transfer", closing_of(NIGHT), closing_of(NIGHT), True, None)
    told = progress_of(world.backbone(), backfill)
    assert (told.verdicts, told.done) == (((NIGHT, Verdict.WAITING),), 0)
    assert told.to_json()["nights_left"] == 1
