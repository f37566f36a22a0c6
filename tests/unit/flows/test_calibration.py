"""The daily calibration flow in memory: groups, attempts, validity, rollback, comparison."""

import dataclasses
import datetime as dt
import json

import pytest

from dbb.errors import BrokenContract, DecisionImpossible, PayloadInterrupted, PlanRefused
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.calibration import make_calibrations
from dbb.flows.calibration_budget import ALERT_S, LateLook, late_steps, read_budget
from dbb.flows.calibration_force import apply_rollback, compare, plan_rollback
from dbb.flows.calibration_groups import find_groups, find_work
from dbb.flows.deciding import Signature, reject_refusal, release_refusal
from dbb.model.calibration import BACKBONE_SHARE_S, BUDGET_S, CAL_PROC_TIME_S, Step, split_evenly
from dbb.model.delivery import State
from support.calibration_world import CAMPAIGN, CalibrationWorld, TinyPayload
from support.fake_clock import FixedClock
from support.world import NIGHT

COLLECTION = f"LSSTCam/calib/daily/{CAMPAIGN}"
PLACES = ("usdf", "frdf", "chile")


@pytest.fixture
def world(tmp_path):
    return CalibrationWorld(tmp_path)


def ranges(world, place, kind="bias"):
    found = world.repositories[place].validities(COLLECTION)
    return [each for each in found if each.dataset_type == kind]


def products(world, unit):
    return {each.dataset_id for each in world.calibrations.products(unit)}


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


# -- rollback and comparison -----------------------------------------------------------------------


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


# -- sequences that stay incomplete, and cameras, payloads, lateness ---------------------------------

NAME = "LSSTCam/20261121/bias-O1"


def incomplete(world):
    """Take three, of which the second never comes; give its files."""
    world.take("bias", 1, 3)
    gone = {name: world.summit.data(name) for name in world.summit.names if "000002" in name}
    world.summit.delete(list(gone))
    world.move_raws()
    return gone


def look(world):
    return find_work(world.backbone(), "LSSTCam", NIGHT.value, CAMPAIGN)


def test_a_sequence_that_lacks_exposures_is_told_of_after_its_time_and_once(world):
    incomplete(world)
    (group,) = find_groups(world.backbone(), "LSSTCam", NIGHT.value).overdue.values()
    early = dataclasses.replace(world.backbone(), group_patience_s=lambda _: 1e6)
    assert find_work(early, "LSSTCam", NIGHT.value, CAMPAIGN) == []
    assert world.codes() == []
    assert look(world) == look(world) == []
    (held,) = world.ledger.refusals(unit=NAME)
    assert held.code == group.code == "incomplete-group"
    assert "first 2; 2 of 3 exposures are published" in held.reason
    assert "dbb quarantine release" in held.next_action


def test_a_sequence_is_made_as_it_is_when_an_operator_says_so(world):
    incomplete(world)
    look(world)
    (held,) = world.ledger.refusals(unit=NAME)
    release_refusal(world.backbone(), held, Signature("ann", "the shutter was stuck"))
    assert look(world) == [NAME]
    (unit,) = world.run()
    assert len(products(world, unit)) == 2
    assert {len(row.inputs) for row in world.calibrations.products(unit)} == {2}
    assert look(world) == []
    assert world.codes() == []


def test_a_sequence_that_nobody_wants_stays_away(world):
    incomplete(world)
    look(world)
    (held,) = world.ledger.refusals(unit=NAME)
    reject_refusal(world.backbone(), held, Signature("ann", "a test of the shutter"))
    assert look(world) == []
    assert world.codes() == []


def test_late_exposures_close_what_was_told(world):
    gone = incomplete(world)
    look(world)
    for name, data in gone.items():
        world.summit.put(name, data)
    world.move_raws()
    assert look(world) == [NAME]
    assert world.codes() == []


def test_what_has_begun_to_come_is_named(world):
    gone = incomplete(world)
    name = min(name for name in gone if name.endswith(".fits"))
    world.summit.put(name, gone[name])
    world.settle()
    receive_arrivals(world.backbone(), NIGHT)
    (reason,) = find_groups(world.backbone(), "LSSTCam", NIGHT.value).open.values()
    assert "1 exposures have not come, first 2 (1 have begun to: " in reason


def test_another_payload_half_way_gives_up_the_attempt_that_was_begun(world):
    world.take("bias", 1, 2)
    world.move_raws()

    class Broken(TinyPayload):
        def run(self, order):  # noqa: ARG002 - as the port has it
            raise PayloadInterrupted.for_payload("tiny", "killed")

    group = look(world)[0]
    broken = dataclasses.replace(world.workshop(), payload=Broken("0"))
    with pytest.raises(PayloadInterrupted):
        make_calibrations(world.backbone(), broken, group, CAMPAIGN)
    with pytest.raises(PayloadInterrupted):
        make_calibrations(
            world.backbone(), dataclasses.replace(broken, payload=Broken("1")), group, CAMPAIGN
        )
    assert look(world) == [group]  # what was given up is not the group's end
    (unit,) = world.run(workshop=world.workshop("2"))
    states = [(each.state, each.code, each.accepted) for each in world.calibrations.attempts()]
    assert states == [
        ("refused", "superseded", False), ("refused", "superseded", False), ("filed", "", True)
    ]  # fmt: skip
    assert {row.verdict for row in compare(world.backbone(), "LSSTCam")} == {"equal"}
    assert unit.endswith("-a3")
    assert world.codes() == []


def test_late_groups_are_named_with_their_step_and_others_are_not(world):
    world.take("bias", 1, 2)
    world.move_raws()
    look(world)
    assert world.backbone().clock.now() > world.calibrations.groups()[0].ended_at
    (line,) = late_steps(world.backbone()).lines
    assert f"group={NAME} step=wait" in line
    (unit,) = world.run(receivers=())
    (line,) = late_steps(world.backbone()).lines
    assert f"unit={unit} step=replicate" in line
    assert [(what, why) for _, what, why, _ in world.calibrations.history(unit)][-1] == (
        "late", line.partition(" ")[2]
    )  # fmt: skip
    world.run()
    assert late_steps(world.backbone()).lines == ()
    assert world.calibrations.open_groups(NIGHT.value) == []


def test_nights_that_are_over_are_not_told_of(world):
    world.take("bias", 1, 2)
    world.move_raws()
    look(world)
    world.clock.advance(3 * 86_400)
    assert late_steps(world.backbone()) == LateLook((), frozenset(), None)


def test_a_group_that_ends_later_is_late_later(world):
    world.take("bias", 1, 2)
    world.move_raws()
    look(world)
    (group,) = world.calibrations.groups()
    early = dataclasses.replace(
        world.backbone(), clock=FixedClock(group.ended_at + dt.timedelta(seconds=ALERT_S - 100))
    )
    assert late_steps(early) == LateLook((), frozenset(), 100.0)
    assert late_steps(world.backbone(), {group.name}) == LateLook((), frozenset(), None)
