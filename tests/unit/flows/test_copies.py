"""Copies on their way, over a chain: the archive, France, and from there Britain."""

import pytest

from dbb.flows import copies
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.copies import count_copies, look_for_copies
from dbb.flows.gating import apply_gate
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.model.delivery import State
from dbb.model.names import Did
from dbb.ports.catalog import RuleState, RuleStatus
from support.tiny_camera import take_exposure
from support.world import NIGHT, World, run_night

UK = "MC_O_20261121_000001"


@pytest.fixture
def world():
    world = World()
    world.sky.touched[UK] = frozenset({"uk"})
    return world


@pytest.fixture
def units(world):
    names = [take_exposure(world.summit, number) for number in (1, 2)]
    world.settle()
    return names


def dataset(number):
    return Did.parse(f"raw:Dataset/LSSTCam/raw/Obs/20261121/MC_O_20261121_{number:06d}")


def deliver(world, endpoint):
    look = look_for_copies(world.backbone(), endpoint)
    return publish_units(world.backbone(), look.work, endpoint)["published"]


def register_only(world):
    backbone = world.backbone()
    work = receive_arrivals(backbone, NIGHT).work
    land_units(backbone, work)
    apply_gate(backbone, work, {})
    register_units(backbone, work)
    publish_units(backbone, work, "usdf")
    return work


# -- the chain -------------------------------------------------------------------------------------


def test_each_exposure_goes_where_a_policy_wants_it_and_nowhere_else(world, units):
    run_night(world)
    inside, outside = units
    assert world.state(inside, "ukdf") is State.PUBLISHED
    assert world.state(outside, "ukdf") is None
    assert {world.state(unit, "frdf") for unit in units} == {State.PUBLISHED}
    assert not any("000002" in name for name in world.stores["ukdf"].names)
    assert len(world.repositories["ukdf"].datasets) == len(world.repositories["frdf"].datasets) / 2


def test_an_exposure_on_the_border_is_sent_once(world, units):
    run_night(world)
    run_night(world)
    locks = world.catalog.locks([dataset(1)])[dataset(1)]
    assert set(locks) == {"FRDF", "UKDF"}
    events = [event for event in world.ledger.events(units[0]) if event.endpoint == "ukdf"]
    assert [event.new_state for event in events].count(State.PUBLISHED) == 1


def test_publishing_hurries_those_who_copy_from_here(world, units):
    register_only(world)
    world.catalog.run_daemons(fails=lambda _: "no source replica")
    look_for_copies(world.backbone(), "ukdf")  # remembers the rule
    world.catalog.run_daemons()
    deliver(world, "frdf")
    rule = world.ledger.deliveries(units)[units[0], "ukdf"].rule_id
    assert rule in world.catalog.hurried


# -- what does not come ----------------------------------------------------------------------------


def test_a_copy_that_waits_has_a_reason_and_the_age_of_the_first(world, units):
    register_only(world)
    world.catalog.run_daemons(fails=lambda _: "link down")
    look = look_for_copies(world.backbone(), "frdf")
    assert "link down" in look.waiting[units[0]]
    first = world.ledger.deliveries(units)[units[0], "frdf"].stuck_at
    world.clock.advance(600)
    world.catalog.run_daemons(fails=lambda _: "no space")
    look_for_copies(world.backbone(), "frdf")
    delivery = world.ledger.deliveries(units)[units[0], "frdf"]
    assert "no space" in delivery.waits_for
    assert delivery.stuck_at == first
    world.catalog.run_daemons()
    deliver(world, "frdf")
    delivery = world.ledger.deliveries(units)[units[0], "frdf"]
    assert (delivery.waits_for, delivery.stuck_at) == ("", None)


def test_a_dead_link_does_not_stop_the_others(world, units):
    register_only(world)
    bundle = world.catalog.datasets[dataset(2)].files[0].name
    world.catalog.run_daemons(fails=lambda did: "link down" if did.name == bundle else "")
    assert deliver(world, "frdf") == 1
    assert world.state(units[0], "frdf") is State.PUBLISHED
    assert world.state(units[1], "frdf") is State.EXPECTED


def test_after_an_hour_the_policys_next_source_is_tried(world, units):
    register_only(world)
    world.catalog.run_daemons()
    world.stores["frdf"].delete(world.stores["frdf"].names)
    for did in world.catalog.datasets[dataset(1)].files:
        world.catalog.files[did].rses -= {"FRDF", "UKDF"}
        if world.stores["ukdf"].stat(f"raw/{did.name}"):
            world.stores["ukdf"].delete([f"raw/{did.name}"])
    for rule in world.catalog._rules.values():
        rule.status = type(rule.status)(type(rule.status.state).STUCK, "no source replica")
    look = look_for_copies(world.backbone(), "ukdf")
    assert look.waiting == {units[0]: "waits for frdf to have it"}
    world.clock.advance(3601)
    look = look_for_copies(world.backbone(), "ukdf")
    assert look.waiting[units[0]].startswith("tried again from usdf")
    world.catalog.run_daemons()
    assert deliver(world, "ukdf") == 1


def test_what_no_subscription_asked_for_is_asked_for_after_a_while(world, units):
    world.catalog.subscriptions = (type(world.policies)(), {})  # nobody applied the policies
    register_only(world)
    world.catalog.run_daemons()
    assert look_for_copies(world.backbone(), "frdf").waiting[units[0]].startswith("no subscription")
    world.clock.advance(301)
    look_for_copies(world.backbone(), "frdf")
    world.catalog.run_daemons()
    assert deliver(world, "frdf") == 2


def test_nothing_is_asked_for_what_the_archive_does_not_have_yet(world, units):
    backbone = world.backbone()
    land_units(backbone, receive_arrivals(backbone, NIGHT).work)
    backbone.ledger.expect(units, "frdf", "test")
    world.clock.advance(3600)
    assert set(look_for_copies(backbone, "frdf").waiting.values()) == {"waits for usdf to have it"}


def test_the_copies_of_a_chunk_are_counted_wherever_they_are_wanted(world, units):
    register_only(world)
    assert count_copies(world.backbone(), units) == {"published": 0, "waiting": 3}
    world.catalog.run_daemons()
    deliver(world, "frdf")
    assert count_copies(world.backbone(), units) == {"published": 2, "waiting": 1}


# -- throttles -------------------------------------------------------------------------------------


def test_of_many_stuck_copies_each_has_its_turn_and_a_reason(world, units, monkeypatch):
    monkeypatch.setattr(copies, "HURRY_AT_ONCE", 1)
    register_only(world)
    world.catalog.run_daemons(fails=lambda _: "link down")
    hurried = []
    for _ in units:
        world.catalog.hurried.clear()
        look = look_for_copies(world.backbone(), "frdf")
        assert len(world.catalog.hurried) == 1
        assert set(look.waiting) == set(units)
        if not hurried:
            assert "is tried again in its turn: 2 are stuck" in look.waiting.values()
        hurried += world.catalog.hurried
        world.clock.advance(copies.HURRY_TURN_S)
    assert len(set(hurried)) == 2
    deliveries = world.ledger.deliveries(units)
    assert all("link down" in deliveries[unit, "frdf"].waits_for for unit in units)
    assert all(deliveries[unit, "frdf"].stuck_at for unit in units)


def test_what_moves_again_keeps_its_age_and_has_a_reason_that_is_true(world, units):
    register_only(world)
    world.catalog.run_daemons(fails=lambda _: "link down")
    look_for_copies(world.backbone(), "frdf")
    first = world.ledger.deliveries(units)[units[0], "frdf"].stuck_at
    world.clock.advance(600)
    for rule in world.catalog._rules.values():
        rule.status = RuleStatus(RuleState.WAITING)
    look_for_copies(world.backbone(), "frdf")
    delivery = world.ledger.deliveries(units)[units[0], "frdf"]
    assert (delivery.waits_for, delivery.stuck_at) == (copies.MOVING, first)


def test_no_more_is_asked_for_than_there_is_room_for_on_the_way(world, units, monkeypatch):
    monkeypatch.setattr(copies, "IN_FLIGHT", 1)
    world.catalog.subscriptions = (type(world.policies)(), {})
    register_only(world)
    world.clock.advance(301)
    look = look_for_copies(world.backbone(), "frdf")
    locks = world.catalog.locks([dataset(1), dataset(2)])
    assert [len(locks.get(dataset(number), {})) for number in (1, 2)] == [1, 0]
    assert "fewer than 1" in look.waiting[units[1]]
    delivery = world.ledger.deliveries(units)[units[1], "frdf"]
    assert "fewer than 1" in delivery.waits_for
    first = delivery.stuck_at
    world.clock.advance(60)
    look_for_copies(world.backbone(), "frdf")  # the first is still on its way
    assert world.ledger.deliveries(units)[units[1], "frdf"].stuck_at == first
    world.catalog.run_daemons()
    assert deliver(world, "frdf") == 1
    look_for_copies(world.backbone(), "frdf")
    world.catalog.run_daemons()
    assert deliver(world, "frdf") == 1
