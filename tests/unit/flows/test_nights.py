"""Several nights at once: the same judgement as of one, and one verdict for all."""

import datetime as dt
import itertools

import pytest

from dbb.errors import BadDayObs
from dbb.flows.deciding import Signature, reject_refusal
from dbb.flows.freshness import FRESH_S, note_look
from dbb.flows.night import night_report, night_rows
from dbb.flows.nights import nights_report
from dbb.flows.verdict import Verdict
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.ports.ledger import UnitRow
from dbb.wiring.pages import open_nights
from support.tiny_camera import DETECTORS, image_name, put_detector, take_exposure
from support.world import NIGHT, World, run_night


@pytest.fixture
def world():
    return World()


def nights(world, **options):
    backbone = world.backbone()
    return nights_report(backbone, open_nights(backbone), **options)


def tonight(world):
    return next(night for night in nights(world).nights if night.day_obs == NIGHT)


def publish(world, *numbers, **options):
    units = [take_exposure(world.summit, number, **options) for number in numbers]
    world.settle()
    run_night(world)
    return units


def all_safe(world):
    publish(world, 1, 2)


def some_wait(world):
    publish(world, 1)
    take_exposure(world.summit, 2, detectors=DETECTORS[:1])
    world.settle()
    run_night(world)


def one_refused(world):
    unit = take_exposure(world.summit, 3)
    name = image_name(unit, DETECTORS[0])
    world.summit.put(name, world.summit.data(name)[:-100])
    publish(world, 1, 2)


def a_stranger(world):
    publish(world, 1)
    world.summit.put("LSSTCam/20261121/strange", b"x")
    world.settle()
    run_night(world)


def one_suspect(world):
    units = publish(world, 1, 2, 3)
    world.ledger.advance(units[:1], "frdf", State.PUBLISHED, State.SUSPECT, "test")


def one_rejected(world):
    units = publish(world, 1, 2)
    world.ledger.advance(units[:1], "frdf", State.PUBLISHED, State.SUSPECT, "test")
    one_refused(world)
    for item in world.ledger.refusals():
        reject_refusal(world.backbone(), item, Signature("anne", "test"))


def two_parts(world):
    unit = take_exposure(world.summit, 1, detectors=DETECTORS[:2])
    world.settle(3700)
    run_night(world)
    put_detector(world.summit, unit, DETECTORS[2])
    world.settle()
    run_night(world)


def stuck_since_several_times(world):
    way = (State.EXPECTED, State.ARRIVED, State.VERIFIED)
    for number in (1, 2, 3):
        world.clock.advance(100)
        unit = f"LSSTCam/20261121/MC_O_20261121_{number:06d}"
        facts = ("raw", "LSSTCam", 20261121, unit.rsplit("/", 1)[1], 1, 3, 3, (), world.clock.now())
        world.ledger.note_units([UnitRow(unit, *facts)])
        for endpoint in ("summit", "usdf"):
            world.ledger.expect([unit], endpoint, "test")
        for old, new in itertools.pairwise(way):
            world.ledger.advance([unit], "summit", old, new, "test")
        if number > 1:
            world.clock.advance(-50 * number)
            world.ledger.note_waiting({unit: "a link"}, "usdf")
    note_look(world.backbone())


def nothing(world):
    note_look(world.backbone())


def nobody_looks(world):
    publish(world, 1)
    world.clock.advance(FRESH_S + 1)


HAPPENINGS = [
    all_safe, some_wait, one_refused, a_stranger, one_suspect, one_rejected, two_parts, nothing,
    stuck_since_several_times,    nobody_looks,
]  # fmt: skip


@pytest.mark.parametrize("happens", HAPPENINGS)
def test_the_sums_are_those_of_the_nights_own_report(world, happens):
    happens(world)
    mine, report = tonight(world), night_report(world.backbone(), NIGHT)
    assert mine.verdict is report.verdict
    counts = report.counts
    assert mine.exposures == counts["exposures"]
    assert mine.units == counts["units"]
    assert mine.held_refusals == counts["held_refusals"]
    assert mine.expected == counts["detectors_expected"]
    for standing in ("safe", "waiting", "act", "rejected"):
        assert mine.standings[standing] == counts[standing]
    whys = [line.judged.why for line in report.lines if line.standing != "safe"]
    assert sorted(mine.whys.elements()) == sorted(whys)


@pytest.mark.parametrize("happens", HAPPENINGS)
def test_a_night_is_judged_alike_in_the_sum_and_row_by_row(world, happens):
    happens(world)
    backbone = world.backbone()
    report = night_report(backbone, NIGHT)
    for rows in (
        night_rows(backbone, report),
        night_rows(backbone, report, report.problems_first),
    ):
        assert [row.row.unit for row in rows] == [line.unit for line in report.problems_first]
        for row, line in zip(rows, report.problems_first, strict=True):
            assert (row.standing, row.why) == (line.standing, line.judged.why)
            assert row.refusals == line.judged.refusals
            assert row.row.missing == line.missing
            places = {name: place.state for name, place in row.places.items()}
            assert places == line.judged.states
            assert row.since_at >= line.judged.since_at
        waits = [row.since_at for row in rows if row.standing == "waiting"]
        oldest = [line.judged.since_at for line in report.lines if line.standing == "waiting"]
        assert min(waits, default=None) == min(oldest, default=None)


def test_units_that_stand_alike_are_counted_by_the_database(world):
    publish(world, *range(1, 31))
    backbone = world.backbone()
    (group,) = open_nights(backbone).alike(20261121, 20261121, ["LSSTCam"], [])
    assert group.units == 30


# -- one verdict for all ---------------------------------------------------------------------------


def test_all_is_safe_and_the_buffer_may_be_released(world):
    all_safe(world)
    report = nights(world)
    assert report.sentence == (
        "SAFE — all 2 exposures of night 2026-11-21 are published and re-read."
    )
    assert "Yes" in report.release_sentence


def test_waiting_says_by_when(world):
    some_wait(world)
    report = nights(world)
    assert report.verdict is Verdict.WAITING
    assert report.expected_at == world.clock.now() + dt.timedelta(hours=1)
    assert "1 of night 2026-11-21 waits; expected by 2026-11-22 05:00:20 UTC" in report.sentence
    assert "No: 1 exposure of these nights" in report.release_sentence


def test_what_waits_longer_than_that_is_overdue(world):
    some_wait(world)
    world.clock.advance(2 * 3600)
    note_look(world.backbone())
    assert "overdue since 2026-11-22 05:00:20 UTC" in nights(world).sentence


def test_a_night_that_needs_somebody_outweighs_the_rest_and_leads_on(world):
    one_refused(world)
    world.clock.advance(86400)
    note_look(world.backbone())
    report = nights(world)
    assert report.sentence == "ACT — 1 item of night 2026-11-21 needs a decision."
    assert report.next_command == "dbb night 20261121"
    assert report.nights[0].day_obs == DayObs(20261122)


def test_what_nobody_looked_at_for_two_minutes_is_unknown_and_never_safe(world):
    nobody_looks(world)
    report = nights(world)
    assert report.verdict is Verdict.UNKNOWN
    assert "nobody has looked at summit since 2026-11-22 04:00:10 UTC" in report.sentence
    assert "Nobody can say" in report.release_sentence
    assert report.to_json()["nights"][0]["source_may_be_released"] is False


def test_nothing_known_and_looked_at_is_empty(world):
    nothing(world)
    assert nights(world).verdict is Verdict.EMPTY


def test_earlier_nights_are_read_by_their_last_one(world):
    all_safe(world)
    report = nights(world, last=DayObs(20261125), number=5)
    assert [night.day_obs.value for night in report.nights] == [
        20261125, 20261124, 20261123, 20261122, 20261121,
    ]  # fmt: skip


def test_there_is_no_night_before_the_first(world):
    assert len(nights(world, last=DayObs(20170103), number=28).nights) == 2


@pytest.mark.parametrize("number", [0, -1, 401])
def test_a_number_of_nights_that_cannot_be_is_refused(world, number):
    with pytest.raises(BadDayObs):
        nights(world, number=number)


# -- counts that are kept --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "happens",
    [all_safe, some_wait, one_refused, a_stranger, one_suspect, one_rejected, two_parts],
)
def test_kept_counts_are_those_that_are_asked_anew(world, happens):
    backbone = world.backbone()
    kept = open_nights(backbone, keep=True)
    assert nights_report(backbone, kept) == nights(world)
    for step in (lambda: publish(world, 7), lambda: happens(world), lambda: publish(world, 8)):
        step()
        assert nights_report(backbone, kept) == nights(world)
        assert nights_report(backbone, kept) == nights(world)
        world.clock.advance(3600)


def test_what_has_not_moved_is_not_asked_again(world, monkeypatch):
    all_safe(world)
    backbone = world.backbone()
    kept = open_nights(backbone, keep=True)
    nights_report(backbone, kept)
    world.clock.advance(3600)
    nights_report(backbone, kept)
    asked = []
    rows = world.ledger.rows
    monkeypatch.setattr(
        world.ledger, "rows", lambda name, **given: asked.append(name) or rows(name, **given)
    )
    nights_report(backbone, kept)
    assert "page/groups" not in asked
    publish(world, 3)
    asked.clear()
    nights_report(backbone, kept)
    assert "page/groups" in asked
