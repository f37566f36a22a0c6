"""What every ledger must answer the pages: run with a fixture ``ledger``."""

from __future__ import annotations

import datetime as dt
import itertools

from dbb.hooks.nights import SqlNights
from dbb.hooks.page_views import SqlViews
from dbb.model.delivery import State
from support.ledger_units import NOW, OTHER, UNIT, row
from support.tiny_camera import unit_name


def test_a_nights_deliveries_are_those_of_its_units(ledger):
    ledger.note_units([row(), row(OTHER)])
    for endpoint in ("usdf", "frdf"):
        ledger.expect([UNIT, OTHER], endpoint, "wanted")
    ledger.advance([UNIT], "usdf", State.EXPECTED, State.ARRIVED, "seen")
    ledger.note_waiting({OTHER: "a link"}, "frdf")
    found = {(item.unit, item.endpoint): item for item in ledger.deliveries_of_night(20261121)}
    assert found == ledger.deliveries([UNIT, OTHER])
    assert ledger.deliveries_of_night(20261122) == []


def test_the_newest_word_stands_and_a_young_one_is_not_replaced(ledger):
    ledger.note("look/summit", "{}")
    first = ledger.noted(["look/summit", "none"])
    assert [item.name for item in first.values()] == ["look/summit"]
    ledger.note("look/summit", '{"new": 1}', every_s=3600)
    assert ledger.noted(["look/summit"]) == first
    ledger.note("look/summit", '{"new": 2}')
    assert ledger.noted(["look/summit"])["look/summit"].document == '{"new": 2}'


def test_units_that_stand_alike_are_counted_together(ledger):
    ledger.note_units([row(), row(OTHER), row(unit_name(3))])
    for endpoint in ("usdf", "frdf", "ukdf"):
        ledger.expect([UNIT, OTHER], endpoint, "wanted")
    nights = SqlNights(ledger)
    found = nights.alike(20261121, 20261121, ["LSSTCam"], [unit_name(3)])
    assert [(each.units, each.exposures, each.expected) for each in found] == [(2, 2, 6)]
    assert [state for _, state, _ in found[0].states] == [State.EXPECTED] * 3
    assert [name for name, _, _ in found[0].states] == ["frdf", "ukdf", "usdf"]
    whole = nights.alike(20261121, 20261121, ["LSSTCam"], [])
    assert sorted(each.units for each in whole) == [1, 2]
    assert nights.newest_night(["LSSTCam"]) == 20261121
    assert nights.newest_night(["none"]) is None
    assert nights.touched(dt.datetime(2000, 1, 1, tzinfo=dt.UTC)) == {20261121}
    assert nights.touched(dt.datetime(2100, 1, 1, tzinfo=dt.UTC)) == set()


def test_units_that_stand_alike_are_brought_together_with_what_they_took(ledger):
    ledger.note_units([row(), row(OTHER)])
    (alike,) = ledger.alike_of_night(["LSSTCam"], 20261121, "summit", ())
    assert (alike.states, alike.since, alike.changed_at) == ((), {}, NOW)
    assert {each.unit for each in alike.units} == {UNIT, OTHER}
    assert ledger.alike_of_night(["LATISS"], 20261121, "summit", ()) == []
    ledger.expect([UNIT, OTHER], "frdf", "wanted")
    for old, new in itertools.pairwise(
        (State.EXPECTED, State.ARRIVED, State.VERIFIED, State.REGISTERED, State.PUBLISHED)
    ):
        ledger.advance([UNIT], "frdf", old, new, "seen")
    found = {
        each.states: each for each in ledger.alike_of_night(["LSSTCam"], 20261121, "summit", ())
    }
    published = found[(("frdf", State.PUBLISHED, True),)]
    (took,) = published.took_us["frdf"]
    delivery = ledger.deliveries([UNIT])[UNIT, "frdf"]
    assert took == (delivery.since_at - NOW) // dt.timedelta(microseconds=1)
    assert published.since == {"frdf": delivery.since_at}
    (lag,) = ledger.lags(20261121, 20261121, ["frdf"], dt.timedelta(microseconds=took))
    assert (lag.published, lag.open, lag.p50_s, lag.max_s) == (
        1,
        1,
        round(took / 1e6, 3),
        lag.p95_s,
    )
    shorter = dt.timedelta(microseconds=took - 1)
    (late,) = ledger.lags(20261121, 20261121, ["frdf"], shorter)
    assert late.late > lag.late


def test_a_unit_that_is_set_apart_stands_alone(ledger):
    ledger.note_units([row(), row(OTHER)])
    found = ledger.alike_of_night(["LSSTCam"], 20261121, "summit", {UNIT})
    assert sorted(len(each.units) for each in found) == [1, 1]


def test_what_waits_moves_and_is_there_is_counted(ledger):
    ledger.note_units([row(), row(OTHER)])
    ledger.expect([UNIT, OTHER], "frdf", "wanted")
    ledger.note_waiting({UNIT: "a link", OTHER: "a link"}, "frdf")
    views, long_ago = SqlViews(ledger), dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    (waiting,) = views.waiting()
    assert (waiting.endpoint, waiting.waits_for, waiting.deliveries) == ("frdf", "a link", 2)
    ledger.advance([UNIT], "frdf", State.EXPECTED, State.ARRIVED, "seen")
    assert views.moved("frdf", State.ARRIVED, long_ago) == (1, 0)
    assert views.last_moved("frdf", State.ARRIVED) is not None
    assert views.last_moved("frdf", State.LOST) is None
    assert views.last_scrub("frdf") is None
    assert views.last_compared("frdf") is None
    (lag,) = ledger.lags(20261121, 20261121, ["frdf"], dt.timedelta(hours=24))
    assert (lag.published, lag.open, lag.p50_s, lag.oldest_open) == (0, 2, None, NOW)
    assert views.copies() == {0: 2}
    assert views.expiries(long_ago).pins == 0


__all__ = [name for name in dir() if name.startswith("test_")]
