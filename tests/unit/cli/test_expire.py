"""``dbb expire``: what is read out is what is done; pins have an owner, a reason and an end."""

import json

import pytest

from dbb.cli import expire
from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.flows.expiring_units import UnitsPlace
from dbb.hooks.expiry import SqlExpiry
from dbb.model.kind import Kind
from dbb.model.policy import PolicyBook
from support.expiry_histories import POLICIES, publish_parcel
from support.world import World

SET = {"DBB_LEDGER_URL": "sqlite://"}
UNIT = "level1/20261121/visit-1"


@pytest.fixture
def world():
    made = World(policies=POLICIES)
    made.catalog.subscriptions = (PolicyBook(), {})
    publish_parcel(made, Kind.LEVEL1, 20261121, "visit-1")
    return made


@pytest.fixture
def dbb(world, capsys, monkeypatch):
    monkeypatch.setattr(expire, "_open", lambda _: SqlExpiry(world.ledger))
    monkeypatch.setattr(
        expire, "_place", lambda context, rows, name: UnitsPlace(context.backbone, rows, name)
    )

    def run(*arguments):
        def make_context(settings, output):
            return Context(settings, output, lambda _: world.backbone())

        code = main(["expire", *arguments, "--json"], SET, make_context)
        written = capsys.readouterr()
        return code, json.loads(written.out) if written.out else None, written.err

    return run


def test_what_was_planned_is_done(dbb, world):
    assert dbb("plan", "--endpoint", "usdf")[:1] == (0,)
    world.clock.advance(40 * 86400)
    code, plan, _ = dbb("plan", "--endpoint", "usdf")
    assert code == 1
    assert [(line["action"], line["names"]) for line in plan["lines"]] == [("expire", [UNIT])]
    world.clock.advance(7200)  # the plan is of its own time
    known = ("--as-of", plan["as_of"], "--plan", plan["sha256"][:12])
    code, done, _ = dbb("apply", "--endpoint", "usdf", *known)
    assert (code, done["intended"], done["under_way"]) == (0, 1, 0)
    assert world.stores["usdf"].names == []
    assert dbb("plan", "--endpoint", "usdf")[0] == 0


def test_another_plan_is_refused(dbb, world):
    world.clock.advance(40 * 86400)
    code, _, told = dbb("apply", "--endpoint", "usdf", "--plan", "0" * 64)
    assert code == 1
    assert "plan-refused" in told


def test_a_time_in_the_future_makes_nothing_older(dbb):
    code, plan, _ = dbb("plan", "--endpoint", "usdf", "--as-of", "2028-01-01T00:00")
    assert (code, plan["lines"]) == (0, [])


def test_a_pin_is_listed_and_holds_and_ends(dbb, world):
    code, made, _ = dbb(
        "pin", "level1/20261121", "--until", "2027-03-01T00:00", "--owner", "ap", "--why", "x"
    )
    assert code == 0
    world.clock.advance(40 * 86400)
    _, listed, _ = dbb("pins")
    assert listed == made
    _, plan, _ = dbb("plan", "--endpoint", "usdf")
    assert [line["action"] for line in plan["lines"]] == ["keep"]
    (pin,) = made["pins"]
    assert dbb("unpin", pin["pin_id"])[0] == 0
    assert dbb("pins")[1]["pins"] == []
    assert len(dbb("pins", "--all")[1]["pins"]) == 1
    assert dbb("unpin", pin["pin_id"])[0] == 2
    _, plan, _ = dbb("plan", "--endpoint", "usdf")
    assert [line["action"] for line in plan["lines"]] == ["expire"]


@pytest.mark.parametrize("until", ["2020-01-01T00:00", "tomorrow"])
def test_a_pin_without_a_future_is_refused(dbb, until):
    assert dbb("pin", UNIT, "--until", until, "--owner", "a", "--why", "b")[0] == 2
