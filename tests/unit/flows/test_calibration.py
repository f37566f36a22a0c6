"""The daily calibration flow in memory: groups, attempts, validity, refusals."""

import json

import pytest

from dbb.errors import BrokenContract
from dbb.flows.calibration_budget import read_budget
from dbb.flows.calibration_force import compare
from dbb.flows.calibration_groups import find_groups, find_work
from dbb.model.calibration import BACKBONE_SHARE_S, BUDGET_S, CAL_PROC_TIME_S, Step, split_evenly
from dbb.model.delivery import State
from support.calibration_world import CAMPAIGN, COLLECTION, CalibrationWorld, products, ranges
from support.world import NIGHT

PLACES = ("usdf", "frdf", "chile")


@pytest.fixture
def world(tmp_path):
    return CalibrationWorld(tmp_path)


# -- groups ----------------------------------------------------------------------------------------


def test_a_group_is_complete_when_every_number_of_its_sequence_is_published(world):
    world.take("bias", 1, 3)
    gone = [name for name in world.summit.names if "000002" in name]
    data = {name: world.summit.data(name) for name in gone}
    world.summit.delete(gone)
    world.move_raws()
    groups = find_groups(world.backbone(), "LSSTCam", NIGHT.value)
    assert groups.complete == []
    assert list(groups.open.values()) == ["1 exposures have not come, first 2"]
    for name, each in data.items():
        world.summit.put(name, each)
    world.move_raws()
    (group,) = find_groups(world.backbone(), "LSSTCam", NIGHT.value).complete
    assert (len(group.units), group.parts, group.name) == (3, 1, "LSSTCam/20261121/bias-O1")


def test_a_group_waits_for_what_is_applied_to_its_images(world):
    """A bias whose payload was interrupted must not have the dark refused for want of it."""
    world.take("bias", 1, 2)
    world.take("dark", 11, 2)
    world.move_raws()

    def work():
        return find_work(world.backbone(), "LSSTCam", NIGHT.value, CAMPAIGN, kind="dark")

    groups = find_groups(world.backbone(), "LSSTCam", NIGHT.value).complete
    assert [str(group.kind) for group in groups] == ["bias", "dark"]
    assert work() == []
    world.run()
    assert work() == ["LSSTCam/20261121/dark-O11"]


@pytest.mark.parametrize(
    ("exposures", "sizes"), [(1, [1]), (25, [25]), (26, [13, 13]), (60, [20, 20, 20])]
)
def test_a_sequence_is_cut_into_parts_of_at_most_25(exposures, sizes):
    assert [len(part) for part in split_evenly([str(n) for n in range(exposures)])] == sizes


def test_a_split_is_on_record(world):
    world.take("bias", 1, 26)
    world.move_raws()
    names = find_work(world.backbone(), "LSSTCam", NIGHT.value, CAMPAIGN)
    assert names == ["LSSTCam/20261121/bias-O1-p1of2", "LSSTCam/20261121/bias-O1-p2of2"]
    assert [(g.part, g.parts, len(g.units)) for g in world.calibrations.groups()] == [
        (1, 2, 13), (2, 2, 13)
    ]  # fmt: skip


def test_the_budget_adds_up_to_the_requirement():
    assert sum(BUDGET_S.values()) == CAL_PROC_TIME_S
    assert sum(s for step, s in BUDGET_S.items() if step is not Step.PROCESS) == BACKBONE_SHARE_S


# -- the good way ----------------------------------------------------------------------------------


def test_calibrations_are_in_force_everywhere_with_the_same_ranges(world):
    world.take("bias", 1, 2)
    world.take("dark", 11, 2)
    world.move_raws()
    (bias,), (dark,) = world.run(), world.run()  # the dark waits for its bias
    for place in PLACES:
        assert world.state(bias, place) is State.PUBLISHED
        assert {each.dataset_id for each in ranges(world, place)} == products(world, bias)
        assert world.repositories[place].chain("LSSTCam/calib") == [COLLECTION]
    assert {row.verdict for row in compare(world.backbone(), "LSSTCam")} == {"equal"}
    assert len({row.sha256 for row in compare(world.backbone(), "LSSTCam")}) == 1
    # The dark was made with the bias that was in force when it began, and says so.
    kinds = {kind for row in world.calibrations.products(dark) for _, _, kind in row.inputs}
    assert kinds == {"raw", "bias"}


def test_provenance_is_answered_both_ways_and_travels(world):
    raws = world.take("bias", 1, 2)
    world.move_raws()
    (unit,) = world.run()
    product = world.calibrations.products(unit)[0]
    assert len(product.inputs) == len(raws)
    (back,) = world.calibrations.products_of_input(product.inputs[0][0])
    assert back == (unit, product.dataset_id, product.name)
    name = f"products/{unit.removeprefix('products/')}/provenance.json"
    document = json.loads(world.stores["frdf"].data(name))
    assert document["payload"] == "tiny"
    told = {each["dataset_id"]: each["inputs"] for each in document["products"]}
    assert told[product.dataset_id] == [key for key, _, _ in product.inputs]
    assert document["inputs"][product.inputs[0][0]] == [product.inputs[0][1], "raw"]


def test_a_second_run_does_nothing(world):
    world.take("bias", 1, 2)
    world.move_raws()
    world.run()
    before = {place: ranges(world, place) for place in PLACES}
    assert world.run() == []
    assert {place: ranges(world, place) for place in PLACES} == before


def test_each_step_is_measured(world):
    world.take("bias", 1, 2)
    world.move_raws()
    (unit,) = world.run()
    budget = read_budget(world.backbone(), unit)
    assert [share.step for share in budget.shares] == list(Step)
    assert not any(share.is_running for share in budget.shares)


# -- the next day, reprocessing, order -------------------------------------------------------------


def test_the_next_group_ends_the_validity_of_the_one_before(world):
    world.take("bias", 1, 2)
    world.move_raws()
    (first,) = world.run()
    world.take("bias", 21, 2)
    world.move_raws()
    (second,) = world.run()
    begin = {each.begin_tai for each in ranges(world, "frdf") if each.end_tai == ""}
    ends = {
        each.end_tai for each in ranges(world, "frdf") if each.dataset_id in products(world, first)
    }
    assert ends == begin
    assert {each.verdict for each in compare(world.backbone(), "LSSTCam")} == {"equal"}
    assert products(world, first).isdisjoint(products(world, second))


def test_parcels_that_come_in_the_other_order_give_the_same_ranges(world):
    world.take("bias", 21, 2)
    world.move_raws()
    world.run(receivers=())
    world.take("bias", 1, 2)
    world.move_raws()
    world.run()
    assert {each.verdict for each in compare(world.backbone(), "LSSTCam")} == {"equal"}
    assert len({tuple(ranges(world, place)) for place in PLACES}) == 1


def test_another_version_makes_another_run_and_is_labelled_not_in_force(world):
    world.take("bias", 1, 2)
    world.move_raws()
    (first,) = world.run()
    (second,) = world.run(workshop=world.workshop("2"), again=True)
    assert second != first
    attempts = {each.unit: each for each in world.calibrations.attempts()}
    assert attempts[first].run != attempts[second].run
    assert [attempts[first].accepted, attempts[second].accepted] == [True, False]
    for place in PLACES:
        assert {each.dataset_id for each in ranges(world, place)} == products(world, first)
        assert products(world, second) <= set(world.repositories[place].datasets)


def test_another_campaign_is_in_force_before_the_older_one(world):
    world.take("bias", 1, 2)
    world.move_raws()
    world.run()
    world.run(workshop=world.workshop("2"), campaign="2026C")
    for place in PLACES:
        assert world.repositories[place].chain("LSSTCam/calib") == [
            "LSSTCam/calib/daily/2026C", COLLECTION
        ]  # fmt: skip
    assert {each.verdict for each in compare(world.backbone(), "LSSTCam")} == {"equal"}


# -- refusals --------------------------------------------------------------------------------------


def test_a_group_with_a_detector_missing_is_refused_and_the_old_one_stays(world):
    world.take("bias", 1, 2)
    world.move_raws()
    (first,) = world.run()
    world.take(
        "bias",
        21,
        2,
    )
    lost = [name for name in world.summit.names if "000022" in name and "S11" in name]
    world.summit.delete(lost)
    world.settle(4000)
    world.move_raws()
    with pytest.raises(BrokenContract, match="missing"):
        world.run()
    assert world.run() == []  # it is not tried again by itself
    assert [each.state for each in world.calibrations.attempts()] == ["filed", "refused"]
    assert "calibration-inputs-refused" in world.codes()
    assert {each.dataset_id for each in ranges(world, "usdf")} == products(world, first)


def test_what_would_be_in_force_from_the_same_moment_on_is_refused(world):
    world.take("bias", 1, 2)
    world.move_raws()
    (first,) = world.run()
    repository = world.repositories["usdf"]
    before = repository.validities(COLLECTION)
    # Somebody forgets the attempt but leaves what it put in force.
    with world.ledger.transaction() as connection:
        connection.exec_driver_sql("update calibration_attempt set accepted = 0")
    with pytest.raises(BrokenContract, match="validity-overlap"):
        world.run(workshop=world.workshop("2"), again=True)
    assert repository.validities(COLLECTION) == before
    assert first in world.calibrations.attempts()[0].unit
