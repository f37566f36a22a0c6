"""Decisions of operators: release, reject, retry. No decision loses a byte or a row."""

import pytest

from dbb.errors import DecisionImpossible, UnknownItem
from dbb.flows.deciding import Signature, find_refusal, reject_refusal, release_refusal
from dbb.flows.retrying import retry_units
from dbb.model.delivery import State
from dbb.model.quarantine import Decision
from support.faults import Killed, Schedule
from support.tiny_camera import DETECTORS, image_name, put_detector, take_exposure
from support.world import World, run_night

ANNE = Signature("anne", "seen with the summit")


@pytest.fixture
def world():
    return World()


def only(world):
    (refusal,) = world.ledger.refusals()
    return refusal


def decided(world, refusal):
    return next(
        item
        for item in world.ledger.refusals(decision=None)
        if item.refusal_id == refusal.refusal_id
    )


def retry(world, unit):
    rows = list(world.ledger.units([unit]).values())
    return retry_units(world.backbone(), rows, ANNE)


def truncated(world):
    unit = take_exposure(world.summit, 1)
    name = image_name(unit, DETECTORS[0])
    good = world.summit.data(name)
    world.summit.put(name, good[:-100])
    world.settle()
    run_night(world)
    return unit, name, good


def failed(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run_night(world, broken={unit: "airmass_is_possible"})
    return unit


# -- releasing a file ------------------------------------------------------------------------------


def test_a_released_file_lies_under_its_name_again_with_the_same_bytes(world):
    _, name, good = truncated(world)
    done = release_refusal(world.backbone(), only(world), ANNE)
    assert name in done
    assert world.summit.data(name) == good[:-100]
    assert world.ledger.refusals() == []


def test_the_history_keeps_who_decided_and_why(world):
    truncated(world)
    refusal = only(world)
    release_refusal(world.backbone(), refusal, ANNE)
    row = decided(world, refusal)
    assert row.decision is Decision.RELEASED
    assert row.decided_by == "anne: seen with the summit"
    assert row.decided_at == world.clock.now()


def test_a_released_file_that_is_still_bad_is_held_again_and_never_forgotten(world):
    unit, name, _ = truncated(world)
    refusal = only(world)
    release_refusal(world.backbone(), refusal, ANNE)
    world.settle()
    run_night(world)
    again = only(world)
    assert again.decision is Decision.HELD
    assert name not in world.summit.names
    assert world.summit.data(again.kept_as)
    assert world.state(unit, "usdf") is None


def test_a_file_is_not_released_over_another_of_its_name(world):
    _, name, good = truncated(world)
    world.summit.put(name, good)
    refusal = only(world)
    with pytest.raises(DecisionImpossible, match="is there already"):
        release_refusal(world.backbone(), refusal, ANNE)
    assert world.summit.data(name) == good
    assert only(world) == refusal


def test_a_file_of_an_unsafe_name_is_not_released(world):
    world.summit.put("LSSTCam/20261121/strange name", b"x")
    world.settle()
    run_night(world)
    with pytest.raises(DecisionImpossible, match="its name is never used again"):
        release_refusal(world.backbone(), only(world), ANNE)


def test_a_kept_file_that_is_gone_cannot_be_released(world):
    truncated(world)
    refusal = only(world)
    world.summit.delete([refusal.kept_as])
    with pytest.raises(DecisionImpossible, match="is gone"):
        release_refusal(world.backbone(), refusal, ANNE)


def test_nothing_is_decided_twice(world):
    truncated(world)
    refusal = only(world)
    reject_refusal(world.backbone(), refusal, ANNE)
    with pytest.raises(DecisionImpossible, match="rejected by anne"):
        release_refusal(world.backbone(), decided(world, refusal), ANNE)
    with pytest.raises(DecisionImpossible, match="meanwhile"):
        reject_refusal(world.backbone(), refusal, ANNE)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_release_that_was_killed_is_ended_by_the_same_release_again(world, when):
    _, name, _ = truncated(world)
    refusal = only(world)
    counted = Schedule()
    operations = len(_release_in_copy(counted))
    for at in range(operations):
        fresh = World()
        truncated(fresh)
        with pytest.raises(Killed):
            release_refusal(fresh.backbone(Schedule(at, when)), only(fresh), ANNE)
        held = fresh.ledger.refusals()
        if held:
            release_refusal(fresh.backbone(), held[0], ANNE)
        assert name in fresh.summit.names
        assert decided(fresh, refusal).decision is Decision.RELEASED


def _release_in_copy(schedule):
    fresh = World()
    truncated(fresh)
    release_refusal(fresh.backbone(schedule), only(fresh), ANNE)
    return schedule.seen


# -- releasing and rejecting an exposure -----------------------------------------------------------


def test_an_exposure_released_from_a_failed_expectation_is_published(world):
    unit = failed(world)
    assert world.state(unit, "usdf") is State.QUARANTINED
    release_refusal(world.backbone(), only(world), ANNE)
    assert world.state(unit, "usdf") is State.VERIFIED
    assert world.ledger.units([unit])[unit].gate == "passed"
    run_night(world)
    assert world.state(unit, "frdf") is State.PUBLISHED


def test_a_rejected_exposure_stays_where_it_is_and_keeps_its_bytes(world):
    unit = failed(world)
    before = (world.summit.names, world.stores["usdf"].names)
    reject_refusal(world.backbone(), only(world), ANNE)
    world.settle()
    run_night(world)
    assert world.state(unit, "usdf") is State.QUARANTINED
    assert (world.summit.names, world.stores["usdf"].names) == before
    assert world.ledger.refusals() == []


def test_a_rejected_file_keeps_its_bytes(world):
    truncated(world)
    refusal = only(world)
    reject_refusal(world.backbone(), refusal, ANNE)
    assert world.summit.data(refusal.kept_as)


def test_a_refusal_is_found_by_the_beginning_of_its_identifier(world):
    truncated(world)
    refusal = only(world)
    assert find_refusal(world.backbone(), refusal.refusal_id[:6]) == refusal
    with pytest.raises(UnknownItem):
        find_refusal(world.backbone(), "zz")


# -- retry -----------------------------------------------------------------------------------------


def test_a_retried_exposure_is_judged_again_by_its_expectations(world):
    unit = failed(world)
    ((_, endpoint, done),) = retry(world, unit)
    assert (endpoint, done) == ("usdf", "quarantined → verified, 1 refusal closed")
    assert world.ledger.units([unit])[unit].gate == ""
    run_night(world)
    assert world.state(unit, "frdf") is State.PUBLISHED


def test_a_retried_exposure_that_fails_again_is_held_again(world):
    unit = failed(world)
    retry(world, unit)
    run_night(world, broken={unit: "airmass_is_possible"})
    assert only(world).code == "expectation-failed"
    assert world.state(unit, "usdf") is State.QUARANTINED


def test_a_retry_at_the_source_looks_at_the_files_anew_and_keeps_the_refusal(world):
    unit, name, good = truncated(world)
    ((_, endpoint, done),) = retry(world, unit)
    assert (endpoint, done) == ("summit", "quarantined → expected")
    assert only(world).name == name
    world.summit.put(name, good)
    world.settle()
    run_night(world)
    assert world.state(unit, "frdf") is State.PUBLISHED
    assert world.ledger.refusals() == []


@pytest.mark.parametrize(
    ("state", "new"), [(State.MISSING, State.EXPECTED), (State.SUSPECT, State.ARRIVED)]
)
def test_a_bad_copy_at_a_receiver_is_fetched_or_read_again(world, state, new):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    world.ledger.advance([unit], "frdf", State.PUBLISHED, state, "a scrub says so")
    assert retry(world, unit) == [(unit, "frdf", f"{state} → {new}")]
    world_after_next_run(world, unit)


def world_after_next_run(world, unit):
    run_night(world)
    assert world.state(unit, "frdf") is State.PUBLISHED


@pytest.mark.parametrize("state", [State.MISSING, State.SUSPECT])
def test_a_bad_copy_at_the_archive_is_believed_only_after_it_was_read(world, state):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    store = world.stores["usdf"]
    name = next(name for name in store.names if name.endswith(".zip"))
    good = store.data(name)
    store.put(name, good[:-1] + bytes([good[-1] ^ 1]))
    world.ledger.advance([unit], "usdf", State.PUBLISHED, state, "a scrub says so")
    ((_, _, done),) = retry(world, unit)
    assert done == f"{state}, read now and still digest-mismatch: restore the copy first"
    assert world.state(unit, "usdf") is state
    store.put(name, good)
    ((_, _, done),) = retry(world, unit)
    assert done == f"{state} → verified, read back and right"
    run_night(world)
    assert world.state(unit, "usdf") is State.PUBLISHED


def test_a_retry_of_what_is_well_does_nothing(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    before = world.ledger.events(unit)
    assert retry(world, unit) == []
    assert world.ledger.events(unit) == before


def test_late_detectors_after_an_acceptance_are_published_all_the_same(world):
    unit = take_exposure(world.summit, 1, detectors=DETECTORS[:2])
    world.settle(3700)
    run_night(world)
    release_refusal(world.backbone(), only(world), ANNE)
    put_detector(world.summit, unit, DETECTORS[2])
    world.settle()
    run_night(world)
    assert world.state(f"{unit}.2", "frdf") is State.PUBLISHED
