"""``dbb audit``: what it compares, what it lists, and the exit code that a script can trust."""

import json

import pytest

from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.cli.output import Form
from dbb.errors import CatalogUnavailable
from support.fake_nights import open_sources
from support.staged_units import bring
from support.world import NIGHT, World

SET = {"DBB_LEDGER_URL": "sqlite://"}


@pytest.fixture
def world():
    world = World()
    bring(world, range(1, 3))
    world.clock.advance(24 * 3600)
    return world


@pytest.fixture
def dbb(world, capsys):
    """Run the command over the world; give exit code, stdout and stderr."""

    def run(*arguments, form=None, sources=None):
        def make_context(settings, output):
            output.form = form or output.form
            opened = sources or open_sources(world)
            return Context(settings, output, lambda _: world.backbone(), lambda *_: opened)

        code = main(["audit", *arguments], SET, make_context)
        written = capsys.readouterr()
        return code, written.out, written.err

    return run


def lose_a_bundle(world):
    names = [name for name in world.stores["frdf"].names if name.endswith(".zip")]
    world.stores["frdf"].delete(names[:1])


def test_a_night_that_is_well_is_exit_code_0(dbb):
    code, out, _ = dbb("--day-obs", str(NIGHT), "--json")
    told = json.loads(out)
    assert code == 0
    assert told["schema"] == "dbb-audit/1"
    assert told["findings"] == []
    assert [each["endpoint"] for each in told["scans"]] == [
        "summit",
        "usdf",
        "chile",
        "frdf",
        "ukdf",
    ]
    assert {each["units"] for each in told["scans"]} == {2}


def test_a_suspicion_is_no_alarm_and_its_confirmation_is(dbb, world):
    lose_a_bundle(world)
    code, out, _ = dbb("--day-obs", str(NIGHT), "--json")
    (finding,) = json.loads(out)["findings"]
    assert (code, finding["state"], finding["discrepancy"]) == (0, "suspected", "file-gone")
    world.clock.advance(601)
    code, out, _ = dbb("--from", str(NIGHT), "--to", str(NIGHT), "--endpoint", "frdf", "--json")
    (finding,) = json.loads(out)["findings"]
    assert (code, finding["state"], finding["scans"]) == (1, "confirmed", 2)
    assert finding["policy"] == "ledger-is-right"
    assert finding["remedy"] == "fetch"
    assert finding["evidence"]["number"] == 1


def test_listing_compares_nothing(dbb, world):
    lose_a_bundle(world)
    assert dbb()[0] == 0
    assert json.loads(dbb("--list", "--day-obs", str(NIGHT), "--json")[1])["findings"] == []
    for _ in range(2):
        dbb("--day-obs", str(NIGHT))
        world.clock.advance(601)
    code, out, err = dbb(form=Form.TSV)
    assert code == 1
    header, line = out.splitlines()
    assert header.split("\t")[:4] == ["night", "endpoint", "subject", "finding"]
    assert line.split("\t")[:2] == [str(NIGHT), "frdf"]
    assert "1 findings are confirmed, of 1" in err
    assert dbb("--list", "--from", "20261120", "--to", "20261120")[0] == 0
    assert dbb("--endpoint", "usdf")[0] == 0


def test_closed_findings_are_listed_when_asked_for(dbb, world):
    world.stores["frdf"].put(f"raw/LSSTCam/{NIGHT}/stray", b"x")
    world.clock.advance(3600)
    dbb("--day-obs", str(NIGHT))
    world.stores["frdf"].delete([f"raw/LSSTCam/{NIGHT}/stray"])
    world.clock.advance(60)
    dbb("--day-obs", str(NIGHT))
    assert json.loads(dbb("--json")[1])["findings"] == []
    (finding,) = json.loads(dbb("--all", "--json")[1])["findings"]
    assert finding["state"] == "closed"


def test_tonight_is_refused_as_usage(dbb):
    code, _, err = dbb("--day-obs", "20261122")
    assert code == 2
    assert "not over" in err


def test_a_service_that_is_silent_is_exit_code_3(dbb, world):
    sources = open_sources(world)

    class Away:
        def datasets_below(self, *_):
            raise CatalogUnavailable.for_call("list_dids", "down")

    object.__setattr__(sources, "rucio", Away())
    code, out, err = dbb("--day-obs", str(NIGHT), "--json", sources=sources)
    assert code == 3
    assert json.loads(out)["scans"][1]["silent"]
    assert err.count("catalog-unavailable") == 1
