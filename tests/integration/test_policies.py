"""Policies over the real Rucio: subscriptions make the rules, and the chain goes through."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import pytest

from dbb.errors import SettingMissing
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.copies import count_copies, look_for_copies
from dbb.flows.gating import apply_gate
from dbb.flows.landing import land_units
from dbb.flows.policy_apply import apply_policies
from dbb.flows.policy_plan import INFRASTRUCTURE, plan_policies
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.exposure import Unit
from dbb.model.kind import Kind
from dbb.model.names import Did
from dbb.model.policy import Policy, PolicyBook, Selection
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone, open_policies
from sandbox import rest
from sandbox.prepare import prepare
from sandbox.synthetic_night import make_night
from support.held_dags import held

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module", autouse=True)
def nobody_else(sandbox):
    """Let no run publish what a policy that is tried here sends of other tests: each such step makes a plan stale."""
    with held(sandbox, "deliver"):
        yield


@pytest.fixture(scope="module")
def environment(sandbox, tmp_path_factory):
    summit = tmp_path_factory.mktemp("summit")
    env = {**sandbox.env, "DBB_STORE_SUMMIT": summit.as_uri()}
    prepare(Settings.load(environment=env))
    return env | {"summit": str(summit)}


@pytest.fixture
def settings(environment):
    return Settings.load(environment=environment)


@pytest.fixture
def backbone(settings):
    return open_backbone(settings, "integration test")


@pytest.fixture
def rucio(settings):
    return open_policies(settings)


def cycle(environment):
    rest.call("POST", environment["DBB_RUCIO_CYCLE_URL"], timeout_s=120)


@pytest.fixture
def on_its_way(environment):
    """Let Rucio's daemons rest, so that what is on its way does not arrive between two looks."""
    control = environment["DBB_RUCIO_CYCLE_URL"].removesuffix("/cycle")
    pause_s = rest.call("GET", f"{control}/")["pause_s"]
    rest.call("POST", f"{control}/pause", body={"seconds": 3600}, timeout_s=120)
    yield
    rest.call("POST", f"{control}/pause", body={"seconds": pause_s}, timeout_s=120)


@pytest.fixture(scope="module")
def night(environment):
    """Move a night of the sky, some of it British, to everywhere."""
    backbone = open_backbone(Settings.load(environment=environment), "integration test")
    day_obs = DayObs(20250301)
    while backbone.ledger.units_of_night("LSSTCam", day_obs.value):
        day_obs = day_obs.next()
    summit = Path(environment["summit"])
    make_night(
        summit,
        str(day_obs),
        exposures=9,
        seed=3,
        pixels=8,
        instruments=("LSSTCam",),
        detectors=("R22_S11", "R22_S12"),
    )
    then = time.time() - 60
    for path in summit.rglob("*.*"):
        os.utime(path, (then, then))
    units = receive_arrivals(backbone, day_obs).work
    land_units(backbone, units)
    apply_gate(backbone, units, {})
    register_units(backbone, units)
    publish_units(backbone, units, "usdf")
    for _ in range(300):
        for endpoint in backbone.policy.receivers:
            publish_units(backbone, look_for_copies(backbone, endpoint, units).work, endpoint)
        if not count_copies(backbone, units)["waiting"]:
            break
        cycle(environment)
        time.sleep(0.2)  # the copy service works in its own time
    return units


def british(backbone, units):
    facts = backbone.ledger.facts_of(units)
    touched = {unit: backbone.sky.regions_touched(facts[unit]) for unit in units}
    return {unit for unit in units if "uk" in (touched[unit] or ())}


def with_britain(backbone, settings, *, region, **changes):
    """Open the ports under another policy of the British endpoint."""
    book = tuple(
        dataclasses.replace(policy, what=dataclasses.replace(policy.what, region=region), **changes)
        if policy.name == "raw-ukdf"
        else policy
        for policy in settings.policies
    )
    return dataclasses.replace(backbone, policies=PolicyBook(book))


def changes(backbone, settings, rucio, night):
    """List what a plan would change, but for what other tests of the same sandbox left on its way."""
    plan = plan_policies(backbone, settings.endpoints, rucio)
    return [line for line in plan.lines if not line.names or set(line.names) & set(night)]


def test_the_chain_is_made_by_subscriptions_alone(backbone, night):
    inside = british(backbone, night)
    assert 0 < len(inside) < len(night)
    deliveries = backbone.ledger.deliveries(night)
    assert {unit for unit, place in deliveries if place == "ukdf"} == inside
    assert {item.state for item in deliveries.values()} == {State.PUBLISHED, State.VERIFIED}
    datasets = {unit: Did("raw", Unit.parse(unit).rucio_dataset) for unit in night}
    for unit, locks in backbone.catalog.locks(list(datasets.values())).items():
        wanted = {"FRDF", "UKDF"} if unit in {datasets[u] for u in inside} else {"FRDF"}
        assert set(locks) == wanted
    client = backbone.catalog._port._client
    for unit in night:
        for place in ("frdf", "ukdf") if unit in inside else ("frdf",):
            rule = client.get_replication_rule(deliveries[unit, place].rule_id)
            assert rule["subscription_id"]
            source = {"frdf": "USDF", "ukdf": "FRDF"}[place]
            assert rule["source_replica_expression"] == source


def test_what_is_applied_needs_no_change(backbone, settings, rucio, night):  # noqa: ARG001
    plan = plan_policies(backbone, settings.endpoints, rucio)
    assert [line.to_json() for line in plan.lines] == []


def test_a_wider_policy_sends_what_is_there_already_and_a_narrower_takes_it_back(
    backbone, settings, rucio, night, environment
):
    outside = sorted(set(night) - british(backbone, night))
    wider = with_britain(backbone, settings, region="")
    plan = plan_policies(wider, settings.endpoints, rucio)
    (send,) = plan.of("send")
    assert set(outside) <= set(send.names)
    assert send.size_bytes > 0
    assert [line.subject for line in plan.of("change subscription")] == ["dbb-raw-ukdf"]
    apply_policies(wider, settings.endpoints, rucio, plan.sha256)
    for _ in range(300):
        publish_units(wider, look_for_copies(wider, "ukdf", outside).work, "ukdf")
        states = {wider.ledger.deliveries(outside)[unit, "ukdf"].state for unit in outside}
        if states == {State.PUBLISHED}:
            break
        cycle(environment)
        time.sleep(0.2)
    assert states == {State.PUBLISHED}
    store = wider.store("ukdf")
    names = [f"raw/{Unit.parse(unit).bundle_name}" for unit in outside]
    assert all(store.stat(name) for name in names)
    back = plan_policies(backbone, settings.endpoints, rucio)
    (drop,) = back.of("drop")
    assert set(outside) <= set(drop.names)
    apply_policies(backbone, settings.endpoints, rucio, back.sha256, accept_large=True)
    for _ in range(300):
        if not any(store.stat(name) for name in names):
            break
        cycle(environment)
    assert not any(store.stat(name) for name in names)
    assert all(backbone.store("usdf").stat(name) for name in names)
    assert not changes(backbone, settings, rucio, night)


@pytest.mark.usefixtures("on_its_way")
def test_copies_on_their_way_are_taken_from_the_source_that_a_changed_policy_names(
    backbone, settings, rucio, night
):
    outside = sorted(set(night) - british(backbone, night))
    wider = with_britain(backbone, settings, region="")
    plan = plan_policies(wider, settings.endpoints, rucio)
    apply_policies(wider, settings.endpoints, rucio, plan.sha256)
    other = with_britain(backbone, settings, region="", sources=("usdf",))
    plan = plan_policies(other, settings.endpoints, rucio)
    (move,) = plan.of("move")
    assert set(outside) <= set(move.names)
    assert move.value == "USDF"
    apply_policies(other, settings.endpoints, rucio, plan.sha256)
    client = backbone.catalog._port._client
    for unit in outside:
        rule = backbone.ledger.deliveries([unit])[unit, "ukdf"].rule_id
        assert client.get_replication_rule(rule)["source_replica_expression"] == "USDF"
    assert not changes(other, settings, rucio, night)
    plan = plan_policies(backbone, settings.endpoints, rucio)
    apply_policies(backbone, settings.endpoints, rucio, plan.sha256, accept_large=True)
    assert not changes(backbone, settings, rucio, night)


def test_a_subscription_that_was_ended_works_again_when_its_policy_is_back(
    backbone, settings, rucio, night
):
    del night
    few = tuple(policy for policy in settings.policies if policy.name != "files-frdf")
    without = dataclasses.replace(backbone, policies=PolicyBook(few))
    plan = plan_policies(without, settings.endpoints, rucio)
    assert "dbb-files-frdf" in {line.subject for line in plan.of("end subscription")}
    apply_policies(without, settings.endpoints, rucio, plan.sha256, actions=INFRASTRUCTURE)
    assert "dbb-files-frdf" not in rucio.subscriptions()
    plan = plan_policies(backbone, settings.endpoints, rucio)
    apply_policies(backbone, settings.endpoints, rucio, plan.sha256, actions=INFRASTRUCTURE)
    assert "dbb-files-frdf" in rucio.subscriptions()
    assert not plan_policies(backbone, settings.endpoints, rucio).of(*INFRASTRUCTURE)


def test_an_endpoint_that_rucio_does_not_know_is_named(backbone, settings, rucio):
    twelfth = dataclasses.replace(settings.endpoint("chile"), name="ncsa", rse="NCSA")
    book = PolicyBook((*settings.policies, Policy("x", "ncsa", Selection(Kind.FILE), ("usdf",))))
    wider = dataclasses.replace(backbone, policies=book, rses={**backbone.rses, "ncsa": "NCSA"})
    with pytest.raises(SettingMissing, match="NCSA"):
        plan_policies(wider, {**settings.endpoints, "ncsa": twelfth}, rucio)
