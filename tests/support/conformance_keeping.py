"""What every ledger must answer those who keep: run with a fixture ``ledger``."""

from __future__ import annotations

import datetime as dt

from dbb.flows.scrubbing import Run
from dbb.hooks.keeping import SqlKeeping
from dbb.model.delivery import State
from dbb.model.loss import LossAccount
from support.ledger_units import OTHER, UNIT, manifest, opened, published


def test_readings_are_summed_by_day_and_the_oldest_is_next(ledger):
    clock = ledger._clock
    readings = SqlKeeping(ledger)
    first, later = clock.now(), clock.now() + dt.timedelta(days=2)
    published(ledger, UNIT)
    clock.advance(2 * 86400)
    published(ledger, OTHER)
    size = ledger.units([UNIT])[UNIT].size_bytes
    ages = [(age.oldest_at, age.copies, age.size_bytes) for age in readings.ages("usdf")]
    assert ages == [(first, 1, size), (later, 1, size)]
    clock.advance(86400)
    now = clock.now()
    assert [unit.unit for unit in readings.oldest("usdf", now, 5)] == [UNIT, OTHER]
    assert [unit.unit for unit in readings.oldest("usdf", now, 1)] == [UNIT]
    assert [unit.unit for unit in readings.oldest("usdf", later, 5)] == [UNIT]
    readings.note_read([UNIT], "usdf")
    assert [unit.unit for unit in readings.oldest("usdf", now, 5)] == [OTHER]
    assert readings.ages("frdf") == []


def test_a_reading_is_noted_of_published_copies_only(ledger):
    readings = SqlKeeping(ledger)
    published(ledger, UNIT)
    before = ledger.deliveries([UNIT])[UNIT, "usdf"].verified_at
    ledger.advance([UNIT], "usdf", State.PUBLISHED, State.SUSPECT, "damaged meanwhile")
    ledger._clock.advance(60)
    readings.note_read([UNIT], "usdf")
    assert ledger.deliveries([UNIT])[UNIT, "usdf"].verified_at == before
    assert readings.ages("usdf") == []


def test_what_runs_read_is_summed(ledger):
    clock = ledger._clock
    readings = SqlKeeping(ledger)
    for number in (1, 2):
        readings.note_run("usdf", clock.now(), Run(number, number * 100, 1, "budget"))
        clock.advance(3600)
    assert readings.runs("usdf", clock.now() - dt.timedelta(days=1)) == (2, 3, 300, 2)
    assert readings.runs("usdf", clock.now() - dt.timedelta(minutes=90)) == (1, 2, 200, 1)
    assert readings.runs("frdf", clock.now()) == (0, 0, 0, 0)


def test_what_moves_at_an_endpoint_is_counted(ledger):
    readings = SqlKeeping(ledger)
    since = ledger._clock.now()
    opened(ledger, UNIT, OTHER)
    assert readings.in_work("usdf", since) == 0
    ledger.advance([UNIT], "usdf", State.EXPECTED, State.ARRIVED, "came")
    assert readings.in_work("usdf", since) == 1
    assert readings.in_work("usdf", since + dt.timedelta(minutes=1)) == 0


def test_what_is_broken_or_left_half_way_is_found(ledger):
    broken = SqlKeeping(ledger)
    published(ledger, UNIT, OTHER)
    now = ledger._clock.now()
    assert broken.broken("usdf", now) == []
    ledger.advance([UNIT], "usdf", State.PUBLISHED, State.SUSPECT, "rot")
    assert [item.unit for item in broken.broken("usdf", now)] == [UNIT]
    ledger.advance([UNIT], "usdf", State.SUSPECT, State.ARRIVED, "came back")
    assert broken.broken("usdf", now) == []
    assert [item.unit for item in broken.broken("usdf", now + dt.timedelta(hours=1))] == [UNIT]


def test_the_account_of_losses_follows_the_copies(ledger):
    losses = SqlKeeping(ledger)
    day = dt.timedelta(days=1)
    assert losses.account("summit", day) == LossAccount(0, 0, 0, 0, 0)
    published(ledger, UNIT)
    images = len(manifest().images)
    assert losses.account("summit", day) == LossAccount(images, 0, 0, images, images)
    ledger.advance([UNIT], "usdf", State.PUBLISHED, State.MISSING, "gone")
    assert losses.account("summit", day) == LossAccount(images, 0, images, 0, 0)
    ledger.advance([UNIT], "usdf", State.MISSING, State.LOST, "gone for good")
    assert losses.account("summit", day) == LossAccount(images, images, 0, 0, 0)


def test_what_arrives_at_a_buffer_is_summed_by_day(ledger):
    rows = SqlKeeping(ledger)
    published(ledger, UNIT)
    size = ledger.units([UNIT])[UNIT].size_bytes
    now = ledger._clock.now()
    assert rows.busiest_day("usdf", now - dt.timedelta(days=7)) == size
    assert rows.busiest_day("usdf", now + dt.timedelta(seconds=1)) == 0
    assert rows.held("usdf") == []
