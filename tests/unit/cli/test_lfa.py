"""``dbb lfa``, and what other commands show of the annex."""

import dataclasses
import json

import pytest

from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.flows.lfa import announce
from dbb.wiring import annex as annex_wiring
from support.annex import BUCKET, KEY, event, lay, make_annex, run
from support.world import World


@pytest.fixture
def world():
    return World()


@pytest.fixture
def annex(world, monkeypatch):
    made = make_annex(world)
    monkeypatch.setattr(annex_wiring, "open_annex", lambda _settings: made)
    return made


@pytest.fixture
def dbb(world, capsys):
    """Run a command; give the exit code, the document, and what was said beside it."""

    def call(*arguments):
        def make_context(settings, output):
            return Context(settings, output, lambda _: world.backbone())

        code = main([*arguments, "--json"], {"DBB_LEDGER_URL": "sqlite://"}, make_context)
        written = capsys.readouterr()
        return code, json.loads(written.out) if written.out.strip() else None, written.err

    return call


def test_an_operator_tells_of_an_object(annex, dbb):
    code, document, _ = dbb("lfa", "announce", "--url", f"s3://{BUCKET}/{KEY}")
    assert (code, document["key"], document["new"]) == (0, KEY, 1)
    assert dbb("lfa", "announce", "--url", f"s3://{BUCKET}/{KEY}")[0] == 1
    assert [each.source for each in annex.objects.due(9)] == ["operator"]


@pytest.mark.parametrize("url", ["s3://other/a/b", "file:///tmp/x", "nonsense"])
def test_an_operator_who_names_no_object_of_ours_is_told_so(annex, dbb, url):
    code, _, said = dbb("lfa", "announce", "--url", url)
    assert code == 1
    assert "lfa-event-unusable" in said
    assert annex.objects.due(9) == []


def test_what_cannot_go_on_is_seen_on_the_command_line(world, annex, dbb):
    lay(annex)
    announce(annex, [event(byteSize=7)])
    announce(annex, [event("a/b"), dataclasses.replace(event(), bucket="other")])
    run(world, annex)
    code, document, _ = dbb("lfa", "list")
    assert code == 1
    assert {each["key"]: each["code"] for each in document["objects"]} == {
        KEY: "digest-mismatch", "a/b": "missing-copy"
    }  # fmt: skip
    _, document, _ = dbb("quarantine", "list")
    assert [each["code"] for each in document["refusals"]] == ["digest-mismatch"]
    _, document, _ = dbb("events", "list", "--state", "poison")
    assert [each["code"] for each in document["events"]] == ["lfa-event-unusable"]


def test_objects_are_counted_by_class(annex, dbb):
    announce(annex, [event(), event("x/y/z.xyz", "lsst.sal.Novelty.logevent_x")])
    code, document, _ = dbb("lfa", "classes")
    assert code == 1
    assert [(each["csc"], each["is_known"]) for each in document["classes"]] == [
        ("DREAM", True), ("Novelty", False)
    ]  # fmt: skip
