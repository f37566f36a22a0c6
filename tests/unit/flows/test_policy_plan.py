"""Planning a change of the policies, and doing what the plan says and nothing else."""

import contextlib
import dataclasses

import pytest

from dbb.errors import MissingCopy, PlanRefused
from dbb.flows import policy_apply
from dbb.flows.copies import look_for_copies
from dbb.flows.parcels import take_parcels
from dbb.flows.policy_apply import apply_policies
from dbb.flows.policy_plan import DATA, INFRASTRUCTURE, plan_policies, subscription_of
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.model.delivery import State
from dbb.model.endpoint import Endpoint, Role
from dbb.model.kind import Kind
from dbb.model.policy import Policy, PolicyBook, Selection
from support.fake_infrastructure import MemoryInfrastructure
from support.tiny_camera import take_exposure
from support.world import POLICIES, RSES, World, run_night

LINKS = {
    "usdf": {},
    "frdf": {"usdf": 1},
    "ukdf": {"frdf": 1, "usdf": 2},
    "chile": {"usdf": 1, "frdf": 2},
}


def place(name, rse, links):
    role = Role.ARCHIVE if name == "usdf" else Role.FACILITY
    return Endpoint(name, name, role, f"file:///{name}", rse, name, "default", links=links)


ENDPOINTS = {name: place(name, rse, LINKS[name]) for name, rse in RSES.items()}


@pytest.fixture
def world():
    return World()


@pytest.fixture
def rucio(world):
    return MemoryInfrastructure(world.catalog)


@pytest.fixture
def night(world):
    units = [take_exposure(world.summit, number) for number in (1, 2, 3)]
    world.sky.touched["MC_O_20261121_000001"] = frozenset({"uk"})
    world.settle()
    run_night(world)
    return units


def plan(world, rucio, policies=None):
    backbone = world.backbone()
    if policies is not None:
        backbone = dataclasses.replace(backbone, policies=PolicyBook(tuple(policies)))
    return plan_policies(backbone, ENDPOINTS, rucio), backbone


def apply(backbone, rucio, sha256, **options):
    return apply_policies(backbone, ENDPOINTS, rucio, sha256, **options)


def without(name):
    return [policy for policy in POLICIES if policy.name != name]


def test_a_new_installation_gets_everything_once(world, rucio):
    first, backbone = plan(world, rucio)
    assert {line.action for line in first.lines} == {
        "add subscription", "set link", "set attribute"
    }  # fmt: skip
    apply(backbone, rucio, first.sha256)
    assert rucio.links["FRDF", "UKDF"] == 1
    assert rucio.tags["UKDF"] == {"dbb_endpoint": "ukdf", "dbb_tier": "disk"}
    assert not plan(world, rucio)[0]


def test_planning_changes_nothing(world, rucio, night):  # noqa: ARG001
    before = world.ledger.deliveries(["LSSTCam/20261121/MC_O_20261121_000001"])
    plan(world, rucio)
    assert (rucio.kept, rucio.links) == ({}, {})
    assert world.ledger.deliveries(["LSSTCam/20261121/MC_O_20261121_000001"]) == before


def test_a_subscription_matches_whole_words_and_the_label_of_a_region(world):
    policy = Policy(
        "deep", "ukdf", Selection(Kind.RAW, ("LSSTCam",), ("BLOCK-1+",), region="uk"), ("frdf",)
    )
    found = subscription_of(world.backbone(), policy)
    assert found.name == "dbb-deep"
    assert found.filter == {
        "scope": ["raw$"],
        "datatype": ["raw$"],
        "project": ["LSSTCam$"],
        "campaign": [r"BLOCK\-1\+$"],
        "stream_name": [r".*\.deep\."],
    }
    assert found.rules[0]["source_replica_expression"] == "FRDF"
    assert "lifetime" not in found.rules[0]


def test_what_others_have_subscribed_to_is_nobodys_business(world, rucio):
    first, backbone = plan(world, rucio)
    apply(backbone, rucio, first.sha256)
    gone, _ = plan(world, rucio, without("raw-ukdf"))
    assert [line.subject for line in gone.of("end subscription")] == ["dbb-raw-ukdf"]


def test_a_wider_policy_shows_what_it_would_send_and_then_sends_it(world, rucio, night):
    wide = [*without("raw-ukdf"), Policy("raw-ukdf", "ukdf", Selection(Kind.RAW), ("frdf",))]
    first, backbone = plan(world, rucio, wide)
    (send,) = first.of("send")
    assert (send.subject, send.names, send.files) == ("ukdf", tuple(night[1:]), 4)
    rows = world.ledger.units(night[1:])
    assert send.size_bytes == sum(row.size_bytes for row in rows.values()) > 0
    apply(backbone, rucio, first.sha256)
    world.catalog.run_daemons()
    publish_units(backbone, look_for_copies(backbone, "ukdf").work, "ukdf")
    assert {world.state(unit, "ukdf") for unit in night} == {State.PUBLISHED}
    assert not plan_policies(backbone, ENDPOINTS, rucio).of("send")


def test_a_narrower_policy_takes_away_registry_first_and_keeps_enough_copies(world, rucio, night):
    first, backbone = plan(world, rucio, without("raw-ukdf"))
    (drop,) = first.of("drop")
    assert (drop.subject, drop.names) == ("ukdf", tuple(night[:1]))
    order = []
    withdraw = world.repositories["ukdf"].withdraw
    world.repositories["ukdf"].withdraw = lambda documents: (
        order.append("registry"), withdraw(documents)
    )  # fmt: skip
    drop_rules = world.catalog.drop_rules
    world.catalog.drop_rules = lambda rules: (order.append("rule"), drop_rules(rules))
    apply(backbone, rucio, first.sha256)
    assert order == ["registry", "rule"]
    assert world.repositories["ukdf"].datasets == {}
    assert world.stores["ukdf"].names == []
    assert world.state(night[0], "ukdf") is State.RELEASED
    assert not plan_policies(backbone, ENDPOINTS, rucio)


def test_a_copy_that_too_few_others_stand_for_is_kept_and_said_so(world, rucio, night):
    greedy = [Policy("raw-ukdf", "ukdf", Selection(Kind.RAW, region="uk"), ("frdf",), copies=3)]
    first, backbone = plan(world, rucio, greedy)
    assert {line.subject for line in first.of("keep")} == {"frdf"}
    apply(backbone, rucio, first.sha256, accept_large=True)
    assert world.state(night[0], "frdf") is State.PUBLISHED


def test_what_was_dropped_and_is_wanted_again_is_sent_again(world, rucio, night):
    narrow, backbone = plan(world, rucio, without("raw-ukdf"))
    apply(backbone, rucio, narrow.sha256)
    again, backbone = plan(world, rucio)
    assert [line.names for line in again.of("send")] == [tuple(night[:1])]
    apply(backbone, rucio, again.sha256)
    world.catalog.run_daemons()
    publish_units(backbone, look_for_copies(backbone, "ukdf").work, "ukdf")
    assert world.state(night[0], "ukdf") is State.PUBLISHED


@pytest.mark.parametrize("sha256", ["0" * 64, "", "abc"])
def test_a_plan_that_nobody_has_seen_is_refused(world, rucio, sha256):
    _, backbone = plan(world, rucio)
    with pytest.raises(PlanRefused, match="any more"):
        apply(backbone, rucio, sha256)
    assert rucio.kept == {}


def test_a_plan_is_stale_once_somebody_has_applied_it(world, rucio, night):  # noqa: ARG001
    first, backbone = plan(world, rucio, without("raw-ukdf"))
    apply(backbone, rucio, first.sha256)
    with pytest.raises(PlanRefused):
        apply(backbone, rucio, first.sha256)


def test_a_large_loss_needs_to_be_said_twice(world, rucio, night, monkeypatch):
    monkeypatch.setattr(policy_apply, "BRAKE_UNITS", 0)
    first, backbone = plan(world, rucio, without("raw-ukdf"))
    with pytest.raises(PlanRefused, match="accept-large"):
        apply(backbone, rucio, first.sha256)
    assert world.state(night[0], "ukdf") is State.PUBLISHED
    apply(backbone, rucio, first.sha256, accept_large=True)
    assert world.state(night[0], "ukdf") is State.RELEASED


def test_one_per_cent_is_counted_in_bytes_too(world, rucio, night, monkeypatch):  # noqa: ARG001
    monkeypatch.setattr(policy_apply, "BRAKE_UNITS", 0)
    monkeypatch.setattr(world.ledger, "count_published", lambda _: (1_000_000, 10_000))
    first, backbone = plan(world, rucio, without("raw-ukdf"))
    with pytest.raises(PlanRefused, match="bytes of 10,000"):
        apply(backbone, rucio, first.sha256)


def test_the_infrastructure_alone_can_be_applied_and_the_data_later(world, rucio, night):
    first, backbone = plan(world, rucio, without("raw-ukdf"))
    apply(backbone, rucio, first.sha256, actions=INFRASTRUCTURE)
    assert "dbb-raw-frdf" in rucio.kept
    assert world.state(night[0], "ukdf") is State.PUBLISHED
    later, _ = plan(world, rucio, without("raw-ukdf"))
    assert [line.action for line in later.lines] == ["drop"]
    apply(backbone, rucio, later.sha256, actions=DATA, by="Vera")
    (event,) = [item for item in world.ledger.events(night[0]) if item.endpoint == "ukdf"][-1:]
    assert event.reason == f"no policy wants it here: plan {later.sha256[:12]} by Vera"


def test_two_copies_that_nobody_wants_do_not_go_on_the_strength_of_each_other(world, rucio, night):
    none = [policy for policy in POLICIES if policy.what.kind is not Kind.RAW]
    first, backbone = plan(world, rucio, none)
    assert {(line.action, line.subject): line.names for line in first.of("drop", "keep")} == {
        ("drop", "frdf"): (night[0],),
        ("keep", "frdf"): tuple(night[1:]),
        ("keep", "ukdf"): (night[0],),
    }
    apply(backbone, rucio, first.sha256)
    assert world.state(night[0], "ukdf") is State.PUBLISHED
    assert not plan(world, rucio, none)[0].of("drop")


@pytest.mark.parametrize("state", [State.MISSING, State.SUSPECT, State.QUARANTINED])
def test_a_copy_that_is_not_well_is_dropped_as_well(world, rucio, night, state):
    steps = {State.QUARANTINED: [State.SUSPECT, State.QUARANTINED]}.get(state, [state])
    for old, new in zip([State.PUBLISHED, *steps], steps, strict=False):
        world.ledger.advance(night[:1], "ukdf", old, new, "test")
    first, backbone = plan(world, rucio, without("raw-ukdf"))
    apply(backbone, rucio, first.sha256)
    assert world.state(night[0], "ukdf") is State.RELEASED
    assert not plan(world, rucio, without("raw-ukdf"))[0]


def test_a_copy_that_is_being_published_is_left_alone(world, rucio, night):
    for old, new in ((State.PUBLISHED, State.SUSPECT), (State.SUSPECT, State.VERIFIED)):
        world.ledger.advance(night[:1], "ukdf", old, new, "test")
    first, _ = plan(world, rucio, without("raw-ukdf"))
    assert not first.of("drop")
    assert [line.subject for line in first.of("keep")] == ["ukdf"]


def test_copies_that_wait_for_a_source_that_is_gone_come_from_the_new_one(world, rucio):
    unit = take_exposure(world.summit, 1)
    world.sky.touched["MC_O_20261121_000001"] = frozenset({"uk"})
    world.settle()
    run_night(world)
    world.ledger.advance([unit], "ukdf", State.PUBLISHED, State.MISSING, "test")
    dids = [did for did, file in world.catalog.files.items() if "UKDF" in file.rses]
    world.catalog.declare_bad(dids, "UKDF", "test")
    world.catalog.declare_bad(dids, "FRDF", "test")
    other = Policy("raw-ukdf", "ukdf", Selection(Kind.RAW, region="uk"), ("usdf",))
    first, backbone = plan(world, rucio, [*without("raw-ukdf"), other])
    (move,) = first.of("move")
    assert (move.subject, move.names, move.value) == ("ukdf", (unit,), "USDF")
    apply(backbone, rucio, first.sha256)
    world.catalog.run_daemons()
    publish_units(backbone, look_for_copies(backbone, "ukdf").work, "ukdf")
    assert world.state(unit, "ukdf") is State.PUBLISHED
    assert not plan_policies(backbone, ENDPOINTS, rucio).of("move")


def test_the_second_source_of_a_policy_is_no_reason_to_move(world, rucio, night):
    world.ledger.advance(night[:1], "ukdf", State.PUBLISHED, State.MISSING, "test")
    (rule,) = [key for key, rule in world.catalog._rules.items() if rule.rse == "UKDF"]
    world.catalog.declare_bad(list(world.catalog.files), "UKDF", "test")
    world.catalog.take_from([rule], "USDF")
    assert not plan(world, rucio)[0].of("move")


def test_a_unit_without_a_manifest_stays_where_it_is_and_costs_no_other(world, rucio):
    for name in ("weather-1", "weather-2"):
        folder = f"incoming/files/20261121/{name}"
        world.stores["usdf"].put(f"{folder}/{name}.txt", name.encode())
        world.stores["usdf"].put(f"{folder}/_READY", b"")
    units = ["files/20261121/weather-1", "files/20261121/weather-2"]
    backbone = world.backbone()
    take_parcels(backbone, units)
    register_units(backbone, units)
    publish_units(backbone, units, "usdf")
    world.catalog.run_daemons()
    publish_units(backbone, look_for_copies(backbone, "frdf").work, "frdf")
    (bad,) = [
        name for name in world.stores["usdf"].names
        if "weather-1" in name and name.endswith(".json")
    ]  # fmt: skip
    world.stores["usdf"].delete([bad])
    first, backbone = plan(world, rucio, without("files-frdf"))
    assert {(line.action, line.subject): line.names for line in first.of("drop", "keep")} == {
        ("drop", "frdf"): (units[1],),
        ("keep", "usdf"): (units[0],),
    }
    assert "missing-copy" in first.of("keep")[0].detail


def test_a_manifest_that_is_nowhere_stops_its_own_unit_only(world, rucio):
    units = [take_exposure(world.summit, number) for number in (1, 2)]
    for number in (1, 2):
        world.sky.touched[f"MC_O_20261121_00000{number}"] = frozenset({"uk"})
    world.settle()
    run_night(world)
    first, backbone = plan(world, rucio, without("raw-ukdf"))
    for place in ("usdf", "ukdf"):
        bad = [
            name for name in world.stores[place].names if "000001" in name and "manifest" in name
        ]
        world.stores[place].delete(bad)
    with pytest.raises(MissingCopy):
        apply(backbone, rucio, first.sha256)
    assert world.state(units[0], "ukdf") is State.PUBLISHED
    assert world.state(units[1], "ukdf") is State.RELEASED


@pytest.mark.parametrize("killed_at", range(1, 5))
def test_a_run_that_is_killed_is_made_up_for_by_the_next_plan(world, rucio, night, killed_at):
    class Killed(BaseException):
        pass

    calls = []

    def dying(name, real):
        def call(*arguments, **options):
            calls.append(name)
            if len(calls) == killed_at:
                raise Killed
            return real(*arguments, **options)

        return call

    first, backbone = plan(world, rucio, without("raw-ukdf"))
    repository, catalog = world.repositories["ukdf"], world.catalog
    real = repository.withdraw, catalog.drop_rules, rucio.end_subscription
    real_set_rules = world.ledger.set_rules
    world.ledger.set_rules = dying("set", world.ledger.set_rules)
    repository.withdraw = dying("withdraw", repository.withdraw)
    catalog.drop_rules = dying("rules", catalog.drop_rules)
    rucio.end_subscription = dying("end", rucio.end_subscription)
    with contextlib.suppress(Killed):
        apply(backbone, rucio, first.sha256)
    repository.withdraw, catalog.drop_rules, rucio.end_subscription = real
    world.ledger.set_rules = real_set_rules
    again = plan_policies(backbone, ENDPOINTS, rucio)
    apply(backbone, rucio, again.sha256)
    assert world.repositories["ukdf"].datasets == {}
    assert world.stores["ukdf"].names == []
    assert world.state(night[0], "ukdf") is State.RELEASED
    assert {world.state(unit, "frdf") for unit in night} == {State.PUBLISHED}
    assert not plan_policies(backbone, ENDPOINTS, rucio)
