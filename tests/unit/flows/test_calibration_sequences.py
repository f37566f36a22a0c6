"""Sequences of calibrations that stay incomplete, and groups that are late, in memory."""

import dataclasses
import datetime as dt

import pytest

from dbb.errors import PayloadInterrupted
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.calibration import make_calibrations
from dbb.flows.calibration_budget import ALERT_S, LateLook, late_steps
from dbb.flows.calibration_force import compare
from dbb.flows.calibration_groups import find_groups, find_work
from dbb.flows.deciding import Signature, reject_refusal, release_refusal
from support.calibration_world import CAMPAIGN, CalibrationWorld, TinyPayload, products
from support.fake_clock import FixedClock
from support.world import NIGHT

PLACES = ("usdf", "frdf", "chile")


@pytest.fixture
def world(tmp_path):
    return CalibrationWorld(tmp_path)


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
