"""The night's verdict: the word, the sentence, and the numbers behind it."""

import datetime as dt
import itertools
import json

import pytest

from dbb.flows.deciding import Signature, reject_refusal, release_refusal
from dbb.flows.freshness import FRESH_S, note_look
from dbb.flows.night import night_report, night_rows
from dbb.flows.standing import Standing
from dbb.flows.verdict import Verdict
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.ports.ledger import UnitRow
from support.costs import measured
from support.tiny_camera import DETECTORS, image_name, put_detector, take_exposure
from support.world import NIGHT, World, run_night

HOUR_S = 3700
ANNE = Signature("anne", "seen with the summit")


@pytest.fixture
def world():
    return World()


def report(world):
    return night_report(world.backbone(), NIGHT)


def publish(world, *seq_nums, **options):
    units = [take_exposure(world.summit, number, **options) for number in seq_nums]
    world.settle()
    run_night(world)
    return units


# -- what nobody looks at is not known to be well ------------------------------------------------


def test_a_night_that_nobody_looked_at_for_two_minutes_is_unknown_and_never_safe(world):
    publish(world, 1)
    world.clock.advance(FRESH_S)
    assert report(world).verdict is Verdict.SAFE
    world.clock.advance(1)
    night = report(world)
    assert night.verdict is Verdict.UNKNOWN
    assert "UNKNOWN — nobody has looked at summit since 2026-11-22 04:00:10 UTC" in night.sentence
    assert "1 of 1 exposure is published" in night.sentence


def test_what_is_wrong_stays_wrong_when_nobody_looks(world):
    (unit,) = publish(world, 1)
    world.ledger.advance([unit], "frdf", State.PUBLISHED, State.SUSPECT, "test")
    world.clock.advance(FRESH_S + 1)
    assert report(world).verdict is Verdict.ACT


def test_a_night_that_is_over_needs_no_look(world):
    publish(world, 1)
    world.clock.advance(86400)
    assert report(world).verdict is Verdict.SAFE


# -- the four verdicts -----------------------------------------------------------------------------


def test_a_night_of_which_nothing_is_known_is_empty(world):
    note_look(world.backbone())
    night = report(world)
    assert night.verdict is Verdict.EMPTY
    assert night.sentence == (
        "Night 2026-11-21: EMPTY — the ledger knows no exposure of this night."
    )
    assert night.counts["exposures"] == 0


def test_a_published_night_is_safe_and_says_what_that_means(world):
    publish(world, 1, 2)
    world.clock.advance(86400)
    night = report(world)
    assert night.verdict is Verdict.SAFE
    assert night.sentence == (
        "Night 2026-11-21: SAFE — 2 of 2 exposures are published at usdf and frdf, "
        "re-read there; the summit copies are released."
    )
    assert night.next_command == ""


def test_a_safe_night_that_is_not_over_says_until_when_it_lasts(world):
    world.clock.advance((NIGHT.begin - world.clock.now()).total_seconds() + 3600)
    publish(world, 1)
    assert "The night lasts until 2026-11-22 11:59:23 UTC." in report(world).sentence


def test_an_exposure_without_all_its_detectors_waits_and_says_since_when(world):
    publish(world, 1)
    take_exposure(world.summit, 2, detectors=DETECTORS[:1])
    world.settle()
    run_night(world)
    night = report(world)
    assert night.verdict is Verdict.WAITING
    assert "1 of 2 exposures are published at usdf and frdf; 1 waits for detectors" in (
        night.sentence
    )
    since = max(line.judged.since_at for line in night.lines if line.standing is Standing.WAITING)
    assert f"the oldest since {since:%Y-%m-%d %H:%M:%S} UTC" in night.sentence


def test_a_damaged_file_makes_the_night_one_to_act_on_and_names_the_command(world):
    unit = take_exposure(world.summit, 1)
    name = image_name(unit, DETECTORS[1])
    world.summit.put(name, world.summit.data(name)[:-100])
    world.settle()
    run_night(world)
    night = report(world)
    assert night.verdict is Verdict.ACT
    assert night.sentence.startswith("Night 2026-11-21: ACT — 1 ")
    assert "(MC_O_20261121_000001); 0 of 1 exposure is published" in night.sentence
    assert night.sentence.endswith("Next: `dbb quarantine list 20261121`.")
    assert [line.standing for line in night.lines] == [Standing.ACT]
    assert night.lines[0].judged.refusals == night.refusals


# -- incomplete exposures --------------------------------------------------------------------------


def incomplete(world):
    unit = take_exposure(world.summit, 1, detectors=DETECTORS[:2])
    world.settle(HOUR_S)
    run_night(world)
    return unit


def test_an_exposure_published_without_detectors_is_one_to_act_on(world):
    unit = incomplete(world)
    assert world.state(unit, "frdf") is State.PUBLISHED
    night = report(world)
    assert night.verdict is Verdict.ACT
    assert "1 incomplete-exposure (MC_O_20261121_000001)" in night.sentence
    assert night.lines[0].missing == (DETECTORS[2],)


def test_an_incomplete_exposure_that_a_person_accepted_leaves_the_night_safe(world):
    incomplete(world)
    release_refusal(world.backbone(), world.ledger.refusals()[0], ANNE)
    run_night(world)
    night = report(world)
    assert night.verdict is Verdict.SAFE
    assert "(1 accepted without all detectors)" in night.sentence


def test_late_detectors_settle_an_incomplete_exposure_and_count_it_once(world):
    unit = incomplete(world)
    put_detector(world.summit, unit, DETECTORS[2])
    world.settle()
    run_night(world)
    night = report(world)
    assert night.verdict is Verdict.SAFE
    assert "1 of 1 exposure is published" in night.sentence
    assert night.counts["units"] == 2


# -- expectations, rejection -----------------------------------------------------------------------


def test_an_exposure_that_an_operator_rejected_no_longer_holds_the_night_up(world):
    publish(world, 1)
    bad = take_exposure(world.summit, 2)
    world.settle()
    run_night(world, broken={bad: "airmass_is_possible"})
    assert report(world).verdict is Verdict.ACT
    reject_refusal(world.backbone(), world.ledger.refusals(unit=bad)[0], ANNE)
    night = report(world)
    assert night.verdict is Verdict.SAFE
    assert "1 of 2 exposures are published" in night.sentence
    assert "(1 rejected exposure kept aside)" in night.sentence


@pytest.mark.parametrize("state", [State.SUSPECT, State.MISSING])
def test_a_copy_that_went_bad_after_publication_is_one_to_act_on(world, state):
    (unit,) = publish(world, 1)
    world.ledger.advance([unit], "frdf", State.PUBLISHED, state, "a scrub says so")
    night = report(world)
    assert night.verdict is Verdict.ACT
    assert f"1 exposure that is {state} at frdf" in night.sentence
    assert night.next_command == "dbb exposure MC_O_20261121_000001"


# -- waiting for each step -------------------------------------------------------------------------

STEPS = [
    ([], "waits to be looked at"),
    ([("summit", "expected")], "waits for detectors"),
    ([("summit", "arrived")], "waits to be bundled"),
    ([("summit", "verified")], "waits for its copy at usdf"),
    ([("summit", "verified"), ("usdf", "verified")], "waits for its expectations"),
    ([("summit", "verified"), ("usdf", "registered")], "waits for publication at usdf"),
    (
        [("summit", "verified"), ("usdf", "published"), ("frdf", "expected")],
        "waits for its copy at frdf",
    ),
    (
        [("summit", "verified"), ("usdf", "published"), ("frdf", "registered")],
        "waits for publication at frdf",
    ),
    (
        [("summit", "verified"), ("usdf", "published"), ("frdf", "published")],
        "waits for release at summit",
    ),
]
WAY = [State.EXPECTED, State.ARRIVED, State.VERIFIED, State.REGISTERED, State.PUBLISHED]


@pytest.mark.parametrize(("steps", "why"), STEPS)
def test_a_unit_says_which_step_it_waits_for(world, steps, why):
    unit = "LSSTCam/20261121/MC_O_20261121_000001"
    note(world, [unit])
    for endpoint, last in steps:
        lead(world, [unit], endpoint, State(last))
    line = report(world).lines[0]
    assert (line.standing, line.judged.why) == (Standing.WAITING, why)


def note(world, units):
    now = world.clock.now()
    world.ledger.note_units(
        [
            UnitRow(unit, "raw", "LSSTCam", 20261121, unit.rsplit("/", 1)[1], 1, 3, 3, (), now)
            for unit in units
        ]
    )


def lead(world, units, endpoint, last):
    world.ledger.expect(units, endpoint, "test")
    for old, new in itertools.pairwise(WAY):
        if old is last:
            break
        world.ledger.advance(units, endpoint, old, new, "test")


# -- the numbers -----------------------------------------------------------------------------------


def test_the_lag_runs_from_the_last_file_to_the_publication(world):
    units = [f"LSSTCam/20261121/MC_O_20261121_{number:06d}" for number in range(1, 21)]
    note(world, units)
    for unit in units:
        world.clock.advance(10)
        lead(world, [unit], "usdf", State.PUBLISHED)
    (lag,) = report(world).lags
    assert (lag.endpoint, lag.exposures) == ("usdf", 20)
    assert (lag.p50_s, lag.p95_s, lag.max_s) == (100, 190, 200)


def test_the_outcome_of_the_nights_expectations_is_shown(world):
    world.ledger.note_expectations(20261121, "LSSTCam", "raw", 5, 1, "{}")
    assert [result.failed for result in report(world).expectations] == [1]


def test_a_file_that_belongs_to_no_exposure_still_makes_the_night_one_to_act_on(world):
    world.summit.put("LSSTCam/20261121/strange name", b"x")
    world.settle()
    run_night(world)
    night = report(world)
    assert night.verdict is Verdict.ACT
    assert night.lines == ()


def test_the_document_says_what_the_sentence_says(world):
    publish(world, 1)
    night = report(world)
    document = json.loads(json.dumps(night.to_json(night_rows(world.backbone(), night))))
    assert document["schema"] == "dbb-night/1"
    assert document["verdict"] == night.verdict
    assert document["sentence"] == night.sentence
    assert document["states"]["frdf"] == {"published": 1}
    (row,) = document["rows"]
    assert row["places"]["usdf"]["state"] == "published"
    assert dt.datetime.fromisoformat(row["places"]["usdf"]["verified_at"]).tzinfo is not None


def test_problems_come_first(world):
    publish(world, 1)
    take_exposure(world.summit, 2, detectors=DETECTORS[:1])
    world.settle()
    run_night(world)
    standings = [line.standing for line in report(world).problems_first]
    assert standings == [Standing.WAITING, Standing.SAFE]


def test_another_night_is_not_mixed_in(world):
    publish(world, 1)
    assert night_report(world.backbone(), DayObs(20261120)).verdict is Verdict.EMPTY


def test_a_full_day_is_judged_in_a_second(tmp_path):
    world = World(ledger_url=f"sqlite:///{tmp_path}/ledger.db")
    units = [f"LSSTCam/20261121/MC_O_20261121_{number:06d}" for number in range(1, 3251)]
    note(world, units)
    for endpoint in ("summit", "usdf", "frdf"):
        lead(world, units, endpoint, State.PUBLISHED if endpoint != "summit" else State.VERIFIED)
    world.ledger.advance(units, "summit", State.VERIFIED, State.RELEASED, "test")
    note_look(world.backbone())
    with measured() as cost:
        told = report(world)
    assert told.verdict is Verdict.SAFE
    assert cost.cpu_s < 1
