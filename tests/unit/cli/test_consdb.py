"""``dbb consdb`` and ``dbb log``: what they do, say, and the exit code that a script can trust."""

import json

import pytest

from dbb.cli import consdb, log
from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.hooks.consdb.database import SqlConsdb
from dbb.model.consdb_rules import RULES
from support.fake_nights import open_sources
from support.staged_units import bring
from support.world import NIGHT, World

SET = {"DBB_LEDGER_URL": "sqlite://"}
ONE, TWO = (NIGHT.value * 100000 + number for number in (1, 2))


@pytest.fixture
def world():
    world = World()
    bring(world, range(1, 3))
    return world


@pytest.fixture
def dbb(world, capsys, monkeypatch):
    for module in (consdb, log):
        monkeypatch.setattr(module, "_open", lambda _: SqlConsdb(world.ledger))

    def run(*arguments, over=world):
        def make_context(settings, output):
            sources = open_sources(over)
            return Context(settings, output, lambda _: over.backbone(), lambda *_: sources)

        code = main([*map(str, arguments), "--json"], SET, make_context)
        written = capsys.readouterr()
        return code, json.loads(written.out) if written.out else None, written.err

    return run


def load(dbb, tmp_path, table, *rows, options=()):
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return dbb("consdb", "load", table, file, *options)


def test_a_night_that_keeps_the_rules_is_exit_code_0(dbb):
    code, told, _ = dbb("consdb", "check", "--day-obs", NIGHT)
    assert code == 0
    assert [each["rule"] for each in told["rules"]] == [str(rule.kind) for rule in RULES]
    assert {each["state"] for each in told["rules"]} == {"holds", "not-delivered"}


def test_an_exposure_that_breaks_a_rule_is_exit_code_1_and_named(dbb, tmp_path):
    assert load(dbb, tmp_path, "exposure_quicklook", {"exposure_id": ONE})[0] == 0
    code, told, _ = dbb("consdb", "check", "--from", NIGHT, "--to", NIGHT)
    assert code == 1
    [broken] = [each for each in told["rules"] if each["exposures"]]
    assert (broken["rule"], broken["severity"]) == ("exposure_quicklook_coverage", "warning")
    assert [each["unit"].rpartition("_")[2] for each in broken["exposures"]] == ["000002"]
    assert load(dbb, tmp_path, "exposure_quicklook", {"exposure_id": TWO})[0] == 0
    assert dbb("consdb", "check", "--day-obs", NIGHT)[0] == 0


def test_without_a_night_the_last_one_is_checked(dbb, world):
    world.clock.advance(24 * 3600)
    code, told, _ = dbb("consdb", "check")
    assert (code, {each["day_obs"] for each in told["rules"]}) == (0, {NIGHT.value})


def test_rows_that_are_none_are_refused_whole(dbb, tmp_path):
    code, told, said = load(dbb, tmp_path, "exposure_quicklook", {"exposure_id": 7})
    assert (code, told) == (1, None)
    assert "exposure 7 is not published" in said
    code, _, said = dbb("consdb", "load", "exposure_quicklook", tmp_path / "none")
    assert code == 1
    assert "cannot be read" in said


def test_products_are_replaced_with_nothing_where_there_should_be_none(dbb, tmp_path):
    assert load(dbb, tmp_path, "ccdvisit1_quicklook", {"visit_id": ONE, "detector": 0})[0] == 0
    code, told, _ = dbb("consdb", "check", "--day-obs", NIGHT)
    assert code == 1
    assert "no_guider_products" in {each["rule"] for each in told["rules"] if each["exposures"]}
    load(dbb, tmp_path, "ccdvisit1_quicklook", {"visit_id": ONE}, options=["--replace"])
    _, told, _ = dbb("consdb", "check", "--day-obs", NIGHT)
    broken = {each["rule"] for each in told["rules"] if each["exposures"]}
    assert broken == {"ccdvisit1_quicklook_coverage"}


def test_filling_a_night_that_is_whole_does_nothing(dbb):
    done = {"schema": "dbb-consdb/1", "action": "fill", "read": 0, "versions": 0, "wait": 0}
    assert dbb("consdb", "fill", "--day-obs", NIGHT) == (0, done, "")
    code, told, _ = dbb("consdb", "fill", "--day-obs", NIGHT, "--again")
    assert (code, told["read"], told["versions"]) == (0, 2, 0)


def test_views_are_made_anew(dbb):
    assert dbb("consdb", "views")[1]["views"] == 8


def test_two_endpoints_are_compared_by_a_document(dbb, tmp_path):
    code, told, _ = dbb("consdb", "digests", "--day-obs", NIGHT)
    assert code == 0
    assert {each["table"]: each["versions"] for each in told["days"]} == {
        "exposure": 2, "ccdexposure": 2,
    }  # fmt: skip
    file = tmp_path / "other.json"
    file.write_text(json.dumps(told))
    code, told, _ = dbb("consdb", "compare", file)
    assert (code, told["differences"]) == (0, [])
    # a row that differs, one that is there only, and sums that follow
    other = json.loads(file.read_text())
    changed = next(iter(other["rows"]))
    other["rows"][changed] = "0" * 64
    other["rows"]["20261121 LSSTCam exposure 9"] = "1" * 64
    other["days"][0]["high"] += 1
    file.write_text(json.dumps(other))
    code, told, _ = dbb("consdb", "compare", file)
    assert code == 1
    assert {each["row"]: each["is"] for each in told["differences"]} == {
        changed: "other",
        "20261121 LSSTCam exposure 9": "there only",
    }


def test_what_is_no_document_of_digests_is_refused(dbb, tmp_path):
    file = tmp_path / "other.json"
    file.write_text("{}")
    code, _, said = dbb("consdb", "compare", file)
    assert code == 1
    assert "none of `digests`" in said


def test_a_message_is_said_edited_listed_and_taken_back(dbb):
    name = f"MC_O_{NIGHT}_000001"
    code, told, _ = dbb(
        "log", "add", name, "clouds", "--flag", "questionable", "--tag", "weather",
        "--author", "ann",
    )  # fmt: skip
    assert code == 0
    [said] = told["messages"]
    assert (said["obs_id"], said["exposure_flag"]) == (name, "questionable")
    assert (said["user_id"], said["tags"]) == ("ann", ["weather"])
    dbb("log", "edit", said["message_id"], "--flag", "junk", "--author", "bob")
    [now] = dbb("log", "list", name)[1]["messages"]
    assert (now["exposure_flag"], now["message_text"], now["user_id"]) == ("junk", "clouds", "bob")
    assert dbb("log", "list", "--flag", "questionable")[1]["messages"] == []
    dbb("log", "withdraw", said["message_id"])
    assert dbb("log", "list", "--day-obs", NIGHT)[1]["messages"] == []
    assert len(dbb("log", "list", "--day-obs", NIGHT, "--all")[1]["messages"]) == 3


def test_a_message_that_nobody_said_cannot_be_edited(dbb):
    code, _, said = dbb("log", "edit", "0123", "--text", "x")
    assert code == 2
    assert "unknown-item" in said


def test_a_message_of_what_can_be_no_exposure_is_a_wrong_use(dbb):
    assert dbb("log", "add", "XX_O_20261121_000001", "x")[0] == 2
