"""The promises of the account of outages, for whatever database the ledger lies in; `world` has a night of one exposure."""

import datetime as dt
import itertools

import pytest

from dbb.flows.arrivals import receive_arrivals
from dbb.flows.outage_history import note_published
from dbb.flows.outages import account_outages
from dbb.hooks.maintenance import SqlMaintenance
from dbb.hooks.outages import SqlOutages
from dbb.model.delivery import State
from support.tiny_camera import DETECTORS, image_name, take_exposure
from support.world import NIGHT, run_night

HOUR = 3600


def take(world, seq_num, **given):
    unit = take_exposure(world.summit, seq_num, **given)
    world.settle()
    return unit


def account(world, **given):
    return account_outages(world.backbone(), SqlOutages(world.ledger), **given)


def unplanned(world):
    return [each.unplanned.total_seconds() / HOUR for each in account(world).outages]


def test_a_day_without_exposures_is_no_outage(world):
    world.clock.advance(14 * HOUR)
    take(world, 2)
    run_night(world)
    world.clock.advance(30 * HOUR)
    report = account(world)
    assert report.outages == ()
    assert report.sentence.startswith("SAFE — no outage")


def test_it_counts_from_when_an_exposure_was_complete_until_the_next_publication(world):
    world.clock.advance(5 * HOUR)
    before = world.clock.now()
    take(world, 2)
    world.clock.advance(3 * HOUR)
    take(world, 3)
    world.clock.advance(2 * HOUR)
    run_night(world)
    (outage,) = account(world).outages
    assert (outage.begun_at, outage.until, outage.lasts) == (before, world.clock.now(), False)
    assert outage.unplanned == outage.until - before


def stand_for_three_hours(world):
    """Have two exposures wait for four and three hours, of which one stays out of sight; publish the other."""
    world.clock.advance(HOUR)
    hidden = take(world, 2)
    world.clock.advance(HOUR)
    take(world, 3)
    receive_arrivals(world.backbone(), NIGHT)
    world.clock.advance(3 * HOUR)
    put_off(world, hidden)
    run_night(world)


def test_a_single_publication_is_no_end_of_an_outage_while_others_wait(world):
    stand_for_three_hours(world)
    assert [each.lasts for each in account(world).outages] == [False]
    world.clock.advance(4 * HOUR)
    report = account(world)
    assert [each.lasts for each in report.outages] == [True]
    assert 8 < unplanned(world)[0] < 8.1
    world.clock.advance(17 * HOUR)
    assert not account(world).is_kept  # a day in all, although no part of it was
    bring_back(world)
    run_night(world)
    (outage,) = account(world).outages
    assert (outage.until, outage.lasts) == (world.clock.now(), False)


def test_production_for_an_hour_is_the_end_of_an_outage_although_one_waited_through_both(world):
    stand_for_three_hours(world)
    for number in (4, 5):
        world.clock.advance(0.6 * HOUR)
        take(world, number)
        run_night(world)
    world.clock.advance(4 * HOUR)
    bring_back(world)
    run_night(world)
    later, earlier = unplanned(world)
    assert 4 < earlier < 4.1
    assert 4 <= later < 4.1


def test_what_waited_is_published_and_the_outage_is_over_however_short_that_took(world):
    for number in (2, 3):
        world.clock.advance(HOUR)
        take(world, number)
        world.clock.advance(3 * HOUR)
        run_night(world)
        take(world, number + 10)
        run_night(world)
    assert [round(each) for each in unplanned(world)] == [3, 3]
    world.clock.advance(30)
    take(world, 4)
    world.clock.advance(3 * HOUR)
    run_night(world)
    assert [round(each) for each in unplanned(world)] == [3, 3, 3]


def put_off(world, unit):
    """Have the files of an exposure out of sight."""
    world.hidden = {n: world.summit.data(n) for n in world.summit.names if n.startswith(f"{unit}/")}
    world.hidden_at = [world.summit.stat(name).modified_at for name in world.hidden]
    world.summit.delete(list(world.hidden))


def bring_back(world):
    for (name, data), at in zip(world.hidden.items(), world.hidden_at, strict=True):
        world.summit.put(name, data)
        world.summit._files[name].modified_at = at


def test_one_that_lasts_is_told_and_is_broken_after_a_day(world):
    take(world, 2)
    receive_arrivals(world.backbone(), NIGHT)
    world.clock.advance(23 * HOUR)
    report = account(world)
    assert [each.lasts for each in report.outages] == [True]
    assert report.is_kept
    assert report.sentence.startswith("ACT")
    assert "and one lasts" in report.sentence
    world.clock.advance(2 * HOUR)
    assert not account(world).is_kept
    run_night(world)
    report = account(world)
    assert (report.outages[0].lasts, report.is_kept) == (False, False)
    assert "25.01 h the longest, of 24 h, which is broken" in report.sentence


def test_what_a_maintenance_covers_was_planned(world):
    maintenance = SqlMaintenance(world.ledger)
    take(world, 2)
    world.clock.advance(2 * HOUR)
    maintenance.begin("new disks")
    world.clock.advance(30 * HOUR)
    maintenance.end(1)
    world.clock.advance(HOUR)
    run_night(world)
    report = account(world)
    (outage,) = report.outages
    assert outage.planned == dt.timedelta(hours=30)
    assert 3 < outage.unplanned.total_seconds() / HOUR < 3.1
    assert report.is_kept


def test_who_waits_for_detectors_or_for_a_person_is_no_sign_of_an_outage(world):
    take(world, 2, detectors=DETECTORS[:2])
    bad = take(world, 3)
    world.summit.put(image_name(bad, DETECTORS[1]), b"not FITS")
    world.settle()
    run_night(world)
    world.clock.advance(30 * HOUR)
    assert unplanned(world) == []
    run_night(world)  # the incomplete one is published after its time
    assert unplanned(world) == []


def test_a_copy_that_is_published_again_is_none(world):
    unit = world.ledger.units_of_night("LSSTCam", NIGHT.value)[0].unit
    world.clock.advance(30 * HOUR)
    world.ledger.advance([unit], "usdf", State.PUBLISHED, State.SUSPECT, "for the test")
    road = (State.SUSPECT, State.ARRIVED, State.VERIFIED, State.REGISTERED, State.PUBLISHED)
    for old, new in itertools.pairwise(road):
        world.ledger.advance([unit], "usdf", old, new, "for the test")
    assert world.state(unit, "usdf") is State.PUBLISHED
    assert unplanned(world) == []


def test_the_account_is_the_same_with_the_noted_sum_and_goes_on_after_it(world):
    stand_for_three_hours(world)
    rows = Asked(world.ledger)
    plain = account(world).to_json()
    noted = note_published(world.backbone(), rows)
    assert rows.asked == [world.clock.now() - dt.timedelta(days=365)]
    told = account_outages(world.backbone(), rows)
    assert told.to_json() == plain
    assert rows.asked[-1] == dt.datetime.fromisoformat(noted["until"])
    world.clock.advance(2 * HOUR)
    bring_back(world)
    run_night(world)
    assert account_outages(world.backbone(), rows).to_json()["outages"] == [
        {**plain["outages"][0], "ended_at": world.clock.now().isoformat(timespec="seconds")}
        | {key: pytest.approx(6, abs=0.1) for key in ("hours", "unplanned_hours")}
    ]
    assert rows.asked[-1] == dt.datetime.fromisoformat(noted["until"])
    world.clock.advance(170 * HOUR)
    account_outages(world.backbone(), rows)  # a week is too old
    assert rows.asked[-1] < dt.datetime.fromisoformat(noted["until"])


class Asked(SqlOutages):
    """Remember from when on the ledger was asked."""

    def __init__(self, ledger):
        super().__init__(ledger)
        self.asked = []

    def hours(self, archive, since):
        """Remember it."""
        self.asked.append(since)
        return super().hours(archive, since)


def test_the_account_says_from_where_it_knows(world):
    world.clock.advance(10 * 86400)
    report = account(world)
    assert "where the ledger begins" in report.sentence
    assert "where the ledger begins" not in account(world, days=5).sentence
