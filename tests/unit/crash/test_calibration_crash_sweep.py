"""Kill the calibration flow before and after every operation of every port; look; run again.

The sweep is run on the flow as it is, then on one with a planted bug: it must turn red.
"""

import pytest

from dbb.errors import CalibrationProductRefused
from dbb.flows import calibration
from dbb.flows.calibration_force import apply_rollback, compare, plan_rollback
from dbb.model.calibration import AttemptState
from dbb.model.delivery import State
from support.calibration_world import CAMPAIGN, CalibrationWorld
from support.faults import Killed, every_crash

PLACES = ("usdf", "frdf", "chile")
COLLECTION = f"LSSTCam/calib/daily/{CAMPAIGN}"
DETECTORS = 2


def new_world(scratch):
    world = CalibrationWorld(scratch)
    world.take("bias", 1, 2)
    world.move_raws()
    return world


def look(world):
    """Look as a reader does, at any moment: a whole set, or none, and its files are there."""
    wrong = []
    for place in PLACES:
        repository = world.repositories[place]
        found = repository.validities(COLLECTION)
        if len(found) not in (0, DETECTORS):
            wrong.append(f"{place} has {len(found)} ranges in force")
        wrong += [
            f"{place}: {v} is nowhere" for v in found if v.dataset_id not in repository.datasets
        ]
        for attempt in world.calibrations.attempts():
            if world.state(attempt.unit, place) is State.PUBLISHED and not found:
                wrong.append(f"the ledger publishes {attempt.unit} at {place}, Butler does not")
    return wrong


def check_end(world):
    wrong = look(world)
    attempts = world.calibrations.attempts()
    if [each.accepted for each in attempts] != [True]:
        wrong.append(f"accepted are {[(each.unit, each.accepted) for each in attempts]}")
    for place in PLACES:
        if len(world.repositories[place].validities(COLLECTION)) != DETECTORS:
            wrong.append(f"{place} has not the calibrations")
    made = {each.dataset_id for each in world.calibrations.products(attempts[0].unit)}
    served = {v.dataset_id for v in world.repositories["frdf"].validities(COLLECTION)}
    if made != served:
        wrong.append("provenance is not of what is in force")
    if any(file.name.startswith("incoming/") for file in world.stores["usdf"].list_files("")):
        wrong.append("something is left in incoming")
    wrong += [f"{row}" for row in compare(world.backbone(), "LSSTCam") if row.verdict != "equal"]
    return wrong + world.codes()


def sweep(tmp_path, only=""):
    for schedule in every_crash(lambda counting: new_world(tmp_path).run(counting), only):
        world = new_world(tmp_path)
        with pytest.raises(Killed):
            world.run(schedule)
        for store in world.stores.values():
            store.crash()
        wrong = [f"{schedule.seen[-1]}: {fault}" for fault in look(world)]
        world.run()
        yield wrong + [f"{schedule.seen[-1]}, again: {fault}" for fault in check_end(world)]


def test_killed_anywhere_and_run_again_there_is_one_set_in_force_everywhere(tmp_path):
    outcomes = list(sweep(tmp_path))
    assert [fault for wrong in outcomes for fault in wrong] == []
    assert len(outcomes) > 100


def test_the_sweep_is_red_when_what_is_recorded_counts_as_laid_down(tmp_path, monkeypatch):
    """The record comes before the last file: killed between, the products would never come."""
    monkeypatch.setattr(
        calibration, "_is_laid_down", lambda _, attempt: attempt.state is AttemptState.FILED
    )
    with pytest.raises(CalibrationProductRefused, match="the archive does not take it"):
        list(sweep(tmp_path, "file"))


def test_a_rollback_that_was_killed_anywhere_is_completed_by_the_next_plan(tmp_path):
    def roll(world, schedule=None):
        backbone = world.backbone(schedule)
        (attempt,) = world.calibrations.attempts()
        plan = plan_rollback(backbone, attempt.unit)
        if plan:
            apply_rollback(backbone, attempt.unit, plan.sha256, "stripes")

    def done():
        world = new_world(tmp_path)
        world.run()
        return world

    killed = 0
    for schedule in every_crash(lambda counting: roll(done(), counting)):
        world = done()
        with pytest.raises(Killed):
            roll(world, schedule)
        assert look_at_ranges(world) <= {0, DETECTORS}
        roll(world)
        assert look_at_ranges(world) == {0}
        assert [each.state for each in world.calibrations.attempts()] == ["withdrawn"]
        killed += 1
    assert killed > 20


def look_at_ranges(world):
    return {len(world.repositories[place].validities(COLLECTION)) for place in PLACES}
