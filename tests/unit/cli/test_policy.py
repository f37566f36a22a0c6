"""``dbb policy``: a change is looked at before it is installed, and only what was seen is done."""

import dataclasses
import json
import shutil

import pytest
import yaml

from dbb.cli import policy
from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.cli.output import Form
from dbb.model.delivery import State
from dbb.settings import INCLUDE
from support.fake_infrastructure import MemoryInfrastructure
from support.tiny_camera import take_exposure
from support.world import World, run_night

SET = {"DBB_LEDGER_URL": "sqlite://"}


@pytest.fixture
def world():
    return World()


@pytest.fixture
def rucio(world):
    return MemoryInfrastructure(world.catalog)


@pytest.fixture
def dbb(world, rucio, capsys, monkeypatch):
    """Run the command over the world with the policies that it reads."""
    monkeypatch.setattr(policy, "_open", lambda _: rucio)

    def opened(settings):
        return dataclasses.replace(world.backbone(), policies=settings.policies)

    def run(*arguments, form=None):
        def make_context(settings, output):
            if form is not None:
                output.form = form
            return Context(settings, output, opened)

        code = main(["policy", *arguments], SET, make_context)
        written = capsys.readouterr()
        return code, written.out, written.err

    return run


@pytest.fixture
def proposal(tmp_path):
    """Copy what is shipped, as somebody does who wants to change it."""
    for name in ("endpoints", "policies"):
        shutil.copytree(INCLUDE / name, tmp_path / name)
    return tmp_path


def rewrite(proposal, change):
    path = proposal / "policies" / "policies.yaml"
    document = yaml.safe_load(path.read_text())
    change(document["policies"])
    path.write_text(yaml.safe_dump(document))


def without_britain(policies):
    policies[:] = [item for item in policies if item["name"] != "raw-ukdf"]


def plan_of(dbb, *arguments):
    code, out, _ = dbb("plan", "--json", *arguments)
    return code, json.loads(out)


def actions(document):
    return {line["action"] for line in document["lines"]}


def test_everybody_can_read_who_receives_what(dbb):
    code, out, _ = dbb("show", form=Form.TABLE)
    assert code == 0
    (line,) = [line for line in out.splitlines() if line.startswith("raw-ukdf")]
    assert "region uk" in line
    assert "frdf, then usdf" in line
    code, out, _ = dbb("show", "--json")
    names = [item["name"] for item in json.loads(out)["policies"]]
    assert names == [
        item["name"]
        for item in yaml.safe_load((INCLUDE / "policies/policies.yaml").read_text())["policies"]
    ]


def test_what_is_planned_is_applied_and_then_there_is_nothing_to_do(dbb):
    code, document = plan_of(dbb)
    assert (code, document["schema"]) == (1, "dbb-plan/1")
    assert actions(document) == {"add subscription", "set link", "set attribute"}
    code, out, _ = dbb("apply", "--plan", document["sha256"][:12], form=Form.TABLE)
    assert code == 0
    assert "Done: " in out
    code, out, _ = dbb("plan", form=Form.TABLE)
    assert (code, out) == (0, "Nothing to do: all is as the policies say.\n")


def test_the_plan_names_the_command_that_applies_it(dbb):
    _, document = plan_of(dbb)
    _, out, _ = dbb("plan", form=Form.TABLE)
    assert f"dbb policy apply --plan {document['sha256'][:12]}" in out


def test_a_change_is_shown_before_it_is_installed_and_is_the_same_plan_then(
    world, dbb, proposal, monkeypatch
):
    unit = take_exposure(world.summit, 1)
    world.sky.touched["MC_O_20261121_000001"] = frozenset({"uk"})
    world.settle()
    run_night(world)
    _, document = plan_of(dbb)
    dbb("apply", "--plan", document["sha256"])
    rewrite(proposal, without_britain)
    code, document = plan_of(dbb, "--include", str(proposal))
    assert code == 1
    (line,) = [line for line in document["lines"] if line["action"] == "drop"]
    assert (line["subject"], line["names"], line["files"]) == ("ukdf", [unit], 2)
    assert line["bytes"] > 0
    assert "raw-ukdf" not in dbb("show", "--include", str(proposal))[1]
    assert dbb("apply", "--plan", document["sha256"])[0] == 1  # it is not installed
    assert world.state(unit, "ukdf") is State.PUBLISHED
    load = policy.Settings.load
    monkeypatch.setattr(policy.Settings, "load", lambda **given: load(proposal, **given))
    code, out, _ = dbb(
        "apply", "--plan", document["sha256"], "--only", "data", "--by", "Vera", "--json"
    )
    assert code == 0
    assert actions(json.loads(out)) == {"drop"}
    assert json.loads(out)["sha256"] == document["sha256"]
    assert world.state(unit, "ukdf") is State.RELEASED


def test_a_stale_plan_changes_nothing_and_ends_with_1(dbb, rucio):
    code, _, err = dbb("apply", "--plan", "0" * 64)
    assert code == 1
    assert "plan-refused" in err
    assert rucio.kept == {}


@pytest.mark.parametrize(
    "text", ["policies: [", "policies: {}", "policies: [{name: x}]", "policies: []\nmore: 1"]
)
@pytest.mark.parametrize("action", ["show", "plan"])
def test_a_document_that_cannot_be_read_ends_loudly_with_5(dbb, rucio, proposal, text, action):
    (proposal / "policies" / "policies.yaml").write_text(text)
    code, out, err = dbb(action, "--include", str(proposal))
    assert (code, out) == (5, "")
    assert "policy-unreadable" in err
    assert rucio.kept == {}


def test_a_folder_that_is_not_there_ends_loudly_too(dbb, tmp_path):
    assert dbb("plan", "--include", str(tmp_path / "none"))[0] == 5


def test_what_only_is_kept_is_nothing_to_do(world, dbb, proposal):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    rewrite(proposal, lambda policies: policies.clear())
    raw = proposal / "policies" / "raw.yaml"
    raw.write_text(raw.read_text().replace("before_release: 2", "before_release: 1"))
    _, document = plan_of(dbb, "--include", str(proposal))
    kept = [line for line in document["lines"] if line["action"] == "keep"]
    assert [(line["subject"], line["units"]) for line in kept] == [("frdf", 1)]
