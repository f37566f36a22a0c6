"""Reading every copy again: each has its turn, rot is found, the night goes first."""

import dataclasses
import datetime as dt

import pytest

from dbb.errors import RepositoryUnavailable, StoreUnavailable
from dbb.flows.buffers import release_what_is_safe
from dbb.flows.scrubbing import find_coverage, reread_copies
from dbb.hooks.keeping import SqlKeeping
from dbb.model.delivery import State
from support.faults import Schedule
from support.tiny_camera import take_exposure
from support.world import POLICY, World, run_night

PERIOD = dt.timedelta(days=90)
HOUR = dt.timedelta(hours=1)
DAY_S = 86400


@pytest.fixture
def world():
    made = World()
    for number in range(1, 7):
        take_exposure(made.summit, number)
    made.settle()
    run_night(made)
    made.clock.advance(DAY_S)
    return made


def readings_of(world):
    return SqlKeeping(world.ledger)


def reread(world, endpoint="frdf", share=HOUR, period=PERIOD, at_once=1):
    return reread_copies(world.backbone(), readings_of(world), endpoint, period, share, at_once)


def coverage(world, endpoint="frdf", period=PERIOD):
    return find_coverage(world.backbone(), readings_of(world), endpoint, period)


def read_times(world, endpoint="frdf"):
    units = [row.unit for row in world.ledger.units_of_night("LSSTCam", 20261121)]
    known = world.ledger.deliveries(units)
    return {unit: known[unit, endpoint].verified_at for unit in units}


def rot(world, endpoint, ending=".zip"):
    store = world.stores[endpoint]
    name = next(name for name in store.names if name.endswith(ending))
    data = store.data(name)
    store.put(name, data[:100] + bytes([data[100] ^ 1]) + data[101:])
    return name


def test_a_run_reads_its_share_and_no_more(world):
    run = reread(world)
    assert run.stopped == "budget"
    assert run.copies == 1
    assert sum(time == world.clock.now() for time in read_times(world).values()) == 1


def test_the_oldest_reading_is_next(world):
    first = read_times(world)
    reread(world)
    world.clock.advance(3600)
    reread(world)
    second = read_times(world)
    assert len([unit for unit in first if first[unit] != second[unit]]) == 2


def test_hour_by_hour_every_copy_is_read_within_the_period_and_none_much_earlier(world):
    period = dt.timedelta(days=10)
    started = world.clock.now()
    last = dict.fromkeys(read_times(world), started)
    for _ in range(30 * 24):
        reread(world, period=period)
        for unit, time in read_times(world).items():
            assert world.clock.now() - time <= period
            last[unit] = time
        world.clock.advance(3600)
    assert min(last.values()) > started
    runs, copies, _, damaged = readings_of(world).runs("frdf", started)
    assert runs == 30 * 24
    assert damaged == 0
    # Six copies in ten days need eighteen readings in thirty; a run of an hour reads at least one.
    assert copies >= 18


def test_after_an_outage_what_is_overdue_is_read_at_once(world):
    world.clock.advance(200 * DAY_S)
    assert coverage(world).overdue == 6
    assert reread(world).stopped == "all read"
    after = coverage(world)
    assert (after.overdue, after.oldest_at) == (0, world.clock.now())


@pytest.mark.parametrize("ending", [".zip", ".manifest.json"])
def test_rot_under_an_unchanged_size_is_found_and_healed_at_a_receiver(world, ending):
    rot(world, "frdf", ending)
    world.clock.advance(200 * DAY_S)
    run = reread(world)
    assert (run.copies, run.damaged) == (6, 1)
    assert coverage(world).copies == 5  # nobody sees it any more
    assert coverage(world).damaged == 1
    assert world.codes() == ["digest-mismatch"]
    world.catalog.run_daemons()
    run_night(world)
    assert coverage(world).copies == 6
    assert world.codes() == []


@pytest.mark.parametrize("at_once", [2, 4, 9])
def test_copies_read_side_by_side_are_judged_as_one_by_one(world, at_once):
    world.clock.advance(91 * DAY_S)  # all are overdue
    name = rot(world, "frdf")
    run = reread(world, at_once=at_once)
    assert (run.copies, run.damaged, run.stopped) == (6, 1, "all read")
    times = read_times(world)
    (bad,) = [unit for unit, time in times.items() if time != world.clock.now()]
    assert bad.rpartition("/")[2] in name


def test_a_store_that_fails_beside_others_fails_the_run_and_what_was_read_counts(world):
    world.clock.advance(91 * DAY_S)
    schedule = Schedule(at=25, error=StoreUnavailable.for_store("frdf", "gone"))
    with pytest.raises(StoreUnavailable):
        reread_copies(world.backbone(schedule), readings_of(world), "frdf", PERIOD, HOUR, 2)
    assert 0 < coverage(world).overdue < 6
    assert reread(world, at_once=2).stopped == "all read"
    assert coverage(world).overdue == 0


def test_butler_serves_a_bad_copy_no_more_and_its_file_is_kept(world):
    name = rot(world, "frdf")
    before = len(world.repositories["frdf"].datasets)
    world.clock.advance(200 * DAY_S)
    reread(world)
    served = world.repositories["frdf"].datasets.values()
    assert len(served) == before - 3
    assert not any(name in place for place in served)
    assert name in world.stores["frdf"].names
    world.catalog.run_daemons()
    run_night(world)
    assert len(world.repositories["frdf"].datasets) == before


def test_a_butler_that_does_not_answer_keeps_nobody_from_recording_the_damage(world):
    rot(world, "frdf")
    world.clock.advance(200 * DAY_S)

    def down(_documents):
        raise RepositoryUnavailable.for_repository("frdf", "no answer")

    world.repositories["frdf"].suspend = down
    assert reread(world).damaged == 1
    assert coverage(world).copies == 5


def test_rot_at_the_archive_is_held_and_named(world):
    name = rot(world, "usdf")
    world.clock.advance(200 * DAY_S)
    assert reread(world, "usdf").damaged == 1
    assert world.codes() == ["digest-mismatch"]
    assert name in world.stores["usdf"].names


def test_it_makes_way_for_the_night_unless_a_copy_is_overdue(world):
    moving = next(iter(read_times(world)))
    world.ledger.advance([moving], "frdf", State.PUBLISHED, State.SUSPECT, "for the test")
    world.ledger.advance([moving], "frdf", State.SUSPECT, State.ARRIVED, "for the test")
    made_way = reread(world)
    assert (made_way.copies, made_way.stopped) == (0, "night")
    world.clock.advance(3600)  # stands there, but nobody works on it
    assert reread(world).copies == 1
    world.clock.advance(200 * DAY_S)
    world.ledger.advance([moving], "frdf", State.ARRIVED, State.SUSPECT, "for the test")
    world.ledger.advance([moving], "frdf", State.SUSPECT, State.ARRIVED, "for the test")
    assert reread(world).copies == 5


def test_a_run_never_takes_longer_than_its_share(world):
    world.clock.advance(200 * DAY_S)
    store = world.stores["frdf"]
    real = store.open

    def slow(name, **options):
        world.clock.advance(40)
        return real(name, **options)

    store.open = slow
    run = reread(world, share=dt.timedelta(seconds=100))
    assert run.stopped == "time"
    assert 0 < run.copies < 6


def test_a_store_that_fails_in_the_middle_keeps_what_was_read(world):
    world.clock.advance(200 * DAY_S)
    before = read_times(world)
    schedule = Schedule(at=20, error=StoreUnavailable.for_store("frdf", "gone"))
    readings = readings_of(world)
    with pytest.raises(StoreUnavailable):
        reread_copies(world.backbone(schedule), readings, "frdf", PERIOD, HOUR)
    read = [unit for unit, time in read_times(world).items() if time != before[unit]]
    assert 0 < len(read) < 6
    assert readings.runs("frdf", world.clock.now())[:2] == (1, len(read))
    assert reread(world).copies == 6 - len(read)


def test_an_endpoint_that_publishes_nothing_has_nothing_to_read(world):
    assert reread(world, "chile").stopped == "all read"
    assert coverage(world, "chile").to_json() == {
        "endpoint": "chile",
        "copies": 0,
        "bytes": 0,
        "overdue": 0,
        "oldest_reading": None,
        "needed_bytes_per_s": 0,
        "damaged_in_period": 0,
    }


# -- the second reading, before the source lets go ---------------------------------------------------


@pytest.fixture
def unreleased():
    """A night that is published everywhere and read once: nobody has read it again."""
    made = World(policy=dataclasses.replace(POLICY, second_reading_after_s=3600))
    for number in range(1, 4):
        take_exposure(made.summit, number)
    made.settle()
    run_night(made)
    return made


def at_summit(world):
    names = [row.unit for row in world.ledger.units_of_night("LSSTCam", 20261121)]
    return [world.state(name, "summit") for name in names]


def test_the_source_lets_go_of_nothing_before_a_second_reading(unreleased):
    assert at_summit(unreleased) == [State.VERIFIED] * 3
    assert release_what_is_safe(unreleased.backbone(), readings_of(unreleased)) == 0


def test_what_the_source_waits_for_is_read_first_and_whatever_the_share(unreleased):
    world = unreleased
    world.clock.advance(1800)
    assert (
        reread(world, "usdf", dt.timedelta(seconds=10)).copies == 1
    )  # too early: the oldest, no more
    world.clock.advance(3600)
    run = reread(world, "usdf", dt.timedelta(seconds=10))
    assert (run.copies, run.damaged) == (3, 0)
    assert release_what_is_safe(world.backbone(), readings_of(world)) == 3
    assert at_summit(world) == [State.RELEASED] * 3


def test_a_copy_that_rotted_after_its_first_reading_keeps_the_files_at_the_source(unreleased):
    world = unreleased
    rot(world, "usdf")
    world.clock.advance(2 * 3600)
    assert reread(world, "usdf").damaged == 1
    assert release_what_is_safe(world.backbone(), readings_of(world)) == 2
    assert sorted(at_summit(world)) == [State.RELEASED, State.RELEASED, State.VERIFIED]


def test_a_reading_from_before_a_repair_counts_no_more(unreleased):
    world = unreleased
    world.clock.advance(2 * 3600)
    reread(world, "usdf")
    unit = next(iter(read_times(world, "usdf")))
    for old, new in (
        (State.PUBLISHED, State.SUSPECT),
        (State.SUSPECT, State.PUBLISHED),
    ):
        world.ledger.advance([unit], "usdf", old, new, "for the test")
    assert release_what_is_safe(world.backbone(), readings_of(world)) == 2
    assert world.state(unit, "summit") is State.VERIFIED


def test_the_second_reading_too_makes_way_for_the_night(unreleased):
    world = unreleased
    world.clock.advance(2 * 3600)
    moving = next(iter(read_times(world)))
    world.ledger.advance([moving], "usdf", State.PUBLISHED, State.SUSPECT, "for the test")
    world.ledger.advance([moving], "usdf", State.SUSPECT, State.ARRIVED, "for the test")
    assert reread(world, "usdf").stopped == "night"
    assert release_what_is_safe(world.backbone(), readings_of(world)) == 0


def test_a_night_at_work_keeps_no_overdue_copy_waiting_behind_a_second_reading(unreleased):
    world = unreleased
    world.clock.advance(200 * DAY_S)
    moving = next(iter(read_times(world)))
    world.ledger.advance([moving], "usdf", State.PUBLISHED, State.SUSPECT, "for the test")
    world.ledger.advance([moving], "usdf", State.SUSPECT, State.ARRIVED, "for the test")
    run = reread(world, "usdf")
    assert (run.copies, run.stopped) == (2, "all read")
