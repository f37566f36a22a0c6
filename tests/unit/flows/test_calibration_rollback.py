"""Taking calibrations out of force again, and comparing what endpoints have in force, in memory."""

import pytest

from dbb.errors import DecisionImpossible, PlanRefused
from dbb.flows.calibration_force import apply_rollback, compare, plan_rollback
from dbb.model.delivery import State
from support.calibration_world import COLLECTION, CalibrationWorld, products, ranges

PLACES = ("usdf", "frdf", "chile")


@pytest.fixture
def world(tmp_path):
    return CalibrationWorld(tmp_path)


@pytest.fixture
def two(world):
    world.take("bias", 1, 2)
    world.move_raws()
    (first,) = world.run()
    world.take("bias", 21, 2)
    world.move_raws()
    (second,) = world.run()
    return first, second


def test_a_rollback_puts_the_previous_one_in_force_again_everywhere(world, two):
    first, second = two
    backbone = world.backbone()
    plan = plan_rollback(backbone, second)
    assert [(line.action, line.subject) for line in plan.lines] == [
        ("withdraw", second), ("decertify", "usdf"), ("decertify", "chile"), ("decertify", "frdf")
    ]  # fmt: skip
    assert len(ranges(world, "frdf")) == 4  # planning changed nothing
    apply_rollback(backbone, second, plan.sha256, "stripes")
    for place in PLACES:
        found = ranges(world, place)
        assert {each.dataset_id for each in found} == products(world, first)
        assert {each.end_tai for each in found} == {""}
        assert products(world, second) <= set(world.repositories[place].datasets)
    assert [what for _, what, _, _ in world.calibrations.history(second)] == [
        "begun", "accepted", "filed", "withdrawn"
    ]  # fmt: skip
    assert not plan_rollback(backbone, second)
    assert {each.verdict for each in compare(backbone, "LSSTCam")} == {"equal"}


def test_a_stale_plan_is_refused_and_changes_nothing(world, two):
    first, second = two
    backbone = world.backbone()
    plan = plan_rollback(backbone, second)
    world.repositories["frdf"].decertify(COLLECTION, list(products(world, second)))
    with pytest.raises(PlanRefused):
        apply_rollback(backbone, second, plan.sha256, "stripes")
    assert world.calibrations.withdrawn([first, second]) == set()


def test_what_was_never_in_force_cannot_be_rolled_back(world, two):  # noqa: ARG001 - the fixture does it
    (extra, _) = world.run(workshop=world.workshop("2"), again=True)
    with pytest.raises(DecisionImpossible):
        plan_rollback(world.backbone(), extra)


def test_a_parcel_that_comes_after_its_rollback_is_not_put_in_force(world):
    world.take("bias", 1, 2)
    world.move_raws()
    (unit,) = world.run(receivers=())
    backbone = world.backbone()
    apply_rollback(backbone, unit, plan_rollback(backbone, unit).sha256, "stripes")
    world.run()
    assert world.state(unit, "frdf") is State.PUBLISHED
    assert ranges(world, "frdf") == []


def test_a_difference_between_endpoints_is_found(world, two):
    _, second = two
    world.repositories["frdf"].decertify(COLLECTION, list(products(world, second))[:1])
    wrong = [row for row in compare(world.backbone(), "LSSTCam") if row.is_finding]
    assert [(row.endpoint, row.verdict) for row in wrong] == [
        ("frdf", "1 not in force, 0 ought not to be")
    ]
