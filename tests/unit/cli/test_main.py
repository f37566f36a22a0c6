"""The ``dbb`` command: what it prints, and the exit code that a script can trust."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbb.cli.context import Context
from dbb.cli.main import COMMANDS, WATCHED, build_parser, main
from dbb.cli.output import Form, Output
from dbb.errors import LedgerUnavailable, RuleStuck
from dbb.flows.copies import look_for_copies
from dbb.flows.inbox import keep_events
from dbb.flows.parcels import take_parcels
from dbb.flows.quarantine import plan_decisions
from dbb.flows.registration import register_units
from support.tiny_camera import DETECTORS, image_name, take_exposure
from support.world import World, run_night

OBS_ID = "MC_O_20261121_000001"
SET = {"DBB_LEDGER_URL": "sqlite://"}


@pytest.fixture
def world():
    return World()


@pytest.fixture
def dbb(world, capsys):
    """Run the command over the world; give exit code, stdout and stderr."""

    def run(*arguments, form=None, opened=None):
        def make_context(settings, output):
            if form is not None:
                output.form = form
            return Context(settings, output, opened or (lambda _: world.backbone()))

        code = main(arguments, SET, make_context)
        written = capsys.readouterr()
        return code, written.out, written.err

    return run


def published(world):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)


def truncated(world):
    unit = take_exposure(world.summit, 1)
    name = image_name(unit, DETECTORS[0])
    world.summit.put(name, world.summit.data(name)[:-100])
    world.settle()
    run_night(world)
    (refusal,) = world.ledger.refusals()
    return refusal


# -- forms -----------------------------------------------------------------------------------------


def test_on_a_terminal_the_verdict_comes_first(world, dbb):
    published(world)
    code, out, _ = dbb("night", "20261121", form=Form.TABLE)
    assert code == 0
    assert out.splitlines()[0].startswith("Night 2026-11-21: SAFE — 1 of 1 exposure is published")
    assert "P95_S" in out


def test_in_a_pipe_stdout_has_rows_only_and_the_verdict_goes_to_stderr(world, dbb):
    published(world)
    code, out, err = dbb("night", "20261121")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert rows[0][:6] == ["exposure", "part", "detectors", "summit", "usdf", "frdf"]
    assert rows[1][:6] == [OBS_ID, "1", "3/3", "released", "published", "published"]
    assert "SAFE" in err


COMMAND_LINES = [
    ("dbb-night/1", ["night", "20261121"]),
    ("dbb-exposure/1", ["exposure", OBS_ID]),
    ("dbb-where/1", ["where", OBS_ID]),
    ("dbb-verify/1", ["verify", "20261121"]),
    ("dbb-retry/1", ["retry", OBS_ID]),
    ("dbb-quarantine/1", ["quarantine", "list"]),
]


@pytest.mark.parametrize(("schema", "arguments"), COMMAND_LINES)
def test_every_document_names_its_schema(world, dbb, schema, arguments):
    published(world)
    code, out, _ = dbb(*arguments, "--json")
    assert code == 0
    assert json.loads(out)["schema"] == schema


@pytest.mark.parametrize(("_schema", "arguments"), COMMAND_LINES)
@pytest.mark.parametrize("form", [Form.TABLE, Form.TSV])
def test_every_command_writes_a_table_and_tsv_of_even_width(world, dbb, _schema, arguments, form):
    published(world)
    code, out, err = dbb(*arguments, form=form)
    assert code == 0
    assert out or err
    if form is Form.TSV:
        assert len({line.count("\t") for line in out.splitlines()}) <= 1


def test_a_name_cannot_steer_the_terminal(world, dbb):
    world.summit.put("LSSTCam/20261121/\x1b[2Jgone", b"x")
    world.settle()
    run_night(world)
    for form in Form:
        _, out, err = dbb("quarantine", "list", form=form)
        assert "\x1b" not in out + err


# -- exit codes ------------------------------------------------------------------------------------


def test_a_night_that_needs_a_person_ends_with_1(world, dbb):
    truncated(world)
    assert dbb("night", "20261121")[0] == 1
    assert dbb("exposure", OBS_ID)[0] == 1
    assert dbb("quarantine", "list", "20261121")[0] == 1


def test_a_night_that_waits_ends_with_0(world, dbb):
    take_exposure(world.summit, 1, detectors=DETECTORS[:1])
    world.settle()
    run_night(world)
    assert dbb("night", "20261121")[0] == 0


@pytest.mark.parametrize("arguments", [["night", "2026"], ["exposure", "x"], ["exposure", OBS_ID]])
def test_a_name_that_cannot_be_found_ends_with_2(dbb, arguments):
    code, _, err = dbb(*arguments)
    assert code == 2
    assert "next: " in err


def test_an_unknown_option_ends_with_2():
    with pytest.raises(SystemExit) as ended:
        main(["night", "--nonsense"], SET)
    assert ended.value.code == 2


def test_a_ledger_that_does_not_answer_ends_with_3(dbb):
    def opened(_):
        raise LedgerUnavailable.for_cause("connection refused")

    code, _, err = dbb("night", opened=opened)
    assert code == 3
    assert err.splitlines()[0].startswith("dbb: ledger-unavailable: ")
    assert "docs/operate/ledger-unavailable.md" in err


def test_damage_ends_with_4(world, dbb):
    published(world)
    store = world.stores["frdf"]
    store.rot(next(name for name in store.names if name.endswith(".zip")), bit=999)
    code, out, _ = dbb("verify", OBS_ID)
    assert code == 4
    assert "digest-mismatch" in out
    assert dbb("verify", OBS_ID, "--endpoint", "usdf")[0] == 0


def test_a_missing_setting_ends_with_5(capsys, tmp_path):
    assert main(["night"], {"DBB_SANDBOX_DIR": str(tmp_path)}) == 5
    assert "setting-missing" in capsys.readouterr().err


def test_an_endpoint_that_is_none_ends_with_5(world, dbb):
    published(world)
    assert dbb("verify", OBS_ID, "--endpoint", "moon")[0] == 5


def test_any_other_error_of_ours_is_a_finding(dbb):
    def opened(_):
        raise RuleStuck.for_rule("abc", "no space left")

    assert dbb("night", opened=opened)[0] == 1


def test_a_fault_of_the_program_never_looks_like_a_finding(dbb):
    def opened(_):
        raise ZeroDivisionError

    code, _, err = dbb("night", opened=opened)
    assert code == 70
    assert "ZeroDivisionError" in err


def test_an_error_can_be_read_by_a_program(dbb):
    code, out, err = dbb("exposure", OBS_ID, "--json")
    assert (code, out) == (2, "")
    assert json.loads(err)["error"]["code"] == "unknown-item"


# -- decisions -------------------------------------------------------------------------------------


def test_a_decision_needs_a_person_and_a_reason():
    with pytest.raises(SystemExit):
        main(["quarantine", "release", "abc"], SET)
    with pytest.raises(SystemExit):
        main(["quarantine", "reject", "abc", "--by", "anne"], SET)


def test_a_refusal_is_released_from_the_command_line(world, dbb):
    refusal = truncated(world)
    arguments = ["quarantine", "release", refusal.refusal_id, "--by", "anne", "--why", "test"]
    code, out, _ = dbb(*arguments)
    assert code == 0
    assert "put back as" in out
    assert dbb(*arguments)[0] == 1  # it is not held any more


def test_many_are_decided_as_the_plan_says_and_only_then(world, dbb):
    first = truncated(world)
    choice = ["reject", "--code", first.code, "--day-obs", "20261121"]
    code, out, _ = dbb("quarantine", "plan", *choice, form=Form.JSON)
    plan = json.loads(out)
    assert (code, plan["schema"]) == (1, "dbb-decision-plan/1")
    assert [line["subject"] for line in plan["lines"]] == [first.refusal_id]
    assert world.ledger.refusals() == [first]
    signed = ["--by", "anne", "--why", "test"]
    code, _, err = dbb("quarantine", "apply", *choice, "--plan", "0" * 12, *signed)
    assert (code, "plan-refused" in err) == (1, True)
    assert world.ledger.refusals() == [first]
    code, out, _ = dbb(
        "quarantine", "apply", *choice, "--plan", plan["sha256"][:12], *signed, form=Form.JSON
    )
    assert (code, len(json.loads(out)["done"])) == (0, 1)
    assert world.ledger.refusals() == []
    assert dbb("quarantine", "plan", *choice)[0] == 2  # nothing is chosen


def test_the_plan_of_the_command_line_is_that_of_the_page(world, dbb):
    refusal = truncated(world)
    _, out, _ = dbb("quarantine", "plan", "release", refusal.refusal_id[:8], form=Form.JSON)
    assert (
        json.loads(out)["sha256"]
        == plan_decisions(world.backbone(), "release", [refusal.refusal_id]).sha256
    )


def test_a_refusal_is_shown_with_its_runbook(world, dbb):
    refusal = truncated(world)
    _, out, _ = dbb("quarantine", "show", refusal.refusal_id[:8], form=Form.TABLE)
    assert f"docs/operate/{refusal.code}.md" in out
    assert refusal.kept_as in out


def test_a_retry_says_what_it_did(world, dbb):
    truncated(world)
    code, out, _ = dbb("retry", OBS_ID, "--why", "sent again")
    assert code == 0
    assert "quarantined → expected" in out


def test_every_command_explains_itself():
    text = build_parser().format_help()
    for name, module in COMMANDS.items():
        assert name in text
        assert module.HELP.endswith(".")


def test_where_finds_files_that_the_ledger_does_not_know_yet(world, dbb):
    take_exposure(world.summit, 1)
    code, _, err = dbb("where", OBS_ID)
    assert code == 0
    assert "does not know" in err
    assert "7 files" in err


def test_output_chooses_tsv_where_stdout_is_no_terminal():
    assert Output.choose(wants_json=False).form in (Form.TSV, Form.TABLE)
    assert Output.choose(wants_json=True).form is Form.JSON


# -- events, policies, parcels ---------------------------------------------------------------------


def test_the_policies_are_read_out(dbb):
    code, out, _ = dbb("policy", "show", "--json")
    assert code == 0
    found = {policy["name"]: policy for policy in json.loads(out)["policies"]}
    assert found["raw-ukdf"]["region"] == "uk"
    assert found["raw-ukdf"]["needs_label"]


def test_poison_is_a_finding_and_can_be_listed(world, dbb):
    keep_events(world.inbox, [b"poison"], "hermes")
    code, out, _ = dbb("events", "list", "--state", "poison", "--json")
    assert code == 1
    (event,) = json.loads(out)["events"]
    assert (event["code"], event["payload"]) == ("poison-event", "poison")


def test_an_event_is_looked_at_again_when_somebody_asks(world, dbb):
    keep_events(world.inbox, [b'{"scope": "raw", "name": "a", "dst-rse": "FRDF"}'], "hermes")
    (event,) = world.inbox.fresh("FRDF", 1)
    world.inbox.settle([event.event_id])
    assert dbb("events", "replay", event.event_id)[0] == 0
    assert len(world.inbox.fresh("FRDF", 1)) == 1
    assert dbb("events", "replay", "unknown")[0] == 1


@pytest.fixture
def batch(tmp_path):
    (tmp_path / "batch" / "deep").mkdir(parents=True)
    (tmp_path / "batch" / "a.txt").write_bytes(b"rain")
    (tmp_path / "batch" / "deep" / "b.bin").write_bytes(b"b" * 1000)
    return tmp_path / "batch"


WORDS = ("--kind", "file", "--name", "weather-1", "--day-obs", "20261121")


def test_a_folder_is_sent_taken_listed_and_exported_as_it_was(world, dbb, batch, tmp_path):
    for _ in range(2):
        assert dbb("parcel", "send", str(batch), *WORDS)[0] == 0
    unit = "files/20261121/weather-1"
    assert take_parcels(world.backbone(), [unit])["taken"] == 1
    code, out, _ = dbb("parcel", "list", "--kind", "file", "--json")
    assert code == 0
    (listed,) = json.loads(out)["parcels"]
    assert (listed["unit"], listed["files"], listed["states"]) == (unit, 3, {"usdf": "verified"})
    assert "deep/b.bin" in dbb("parcel", "show", unit)[1]
    out_folder = tmp_path / "out"
    for _ in range(2):
        assert dbb("parcel", "export", unit, "--to", str(out_folder))[0] == 0
    assert (out_folder / "20261121" / "weather-1" / "deep" / "b.bin").read_bytes() == b"b" * 1000
    assert len((out_folder / "SHA256SUMS").read_text().splitlines()) == 3
    assert not list(out_folder.rglob("*.part"))


def test_a_damaged_copy_is_never_exported(world, dbb, batch, tmp_path):
    dbb("parcel", "send", str(batch), *WORDS)
    take_parcels(world.backbone(), ["files/20261121/weather-1"])
    world.stores["usdf"].put("files/20261121/weather-1/a.txt", b"snow")
    code, _, err = dbb(
        "parcel", "export", "files/20261121/weather-1", "--to", str(tmp_path / "out")
    )
    assert code == 4
    assert "digest-mismatch" in err
    assert not (tmp_path / "out" / "20261121" / "weather-1" / "a.txt").exists()


@pytest.mark.parametrize("words", [("--name", "a b"), ("--day-obs", "20261399")])
def test_a_parcel_that_cannot_be_named_is_a_usage_error(dbb, batch, words):
    assert dbb("parcel", "send", str(batch), *WORDS, *words)[0] == 2


def test_where_a_parcel_is_and_why_a_copy_waits(world, dbb, batch):
    dbb("parcel", "send", str(batch), *WORDS)
    unit = "files/20261121/weather-1"
    take_parcels(world.backbone(), [unit])
    register_units(world.backbone(), [unit])
    world.catalog.run_daemons(fails=lambda _: "link down")
    look_for_copies(world.backbone(), "frdf")
    for item in (unit, f"files:{unit.removeprefix('files/')}/a.txt"):
        code, out, _ = dbb("where", item, "--json")
        assert code == 0
        copies = {copy["endpoint"]: copy for copy in json.loads(out)["copies"]}
        assert copies["frdf"]["rule"] == "stuck"
        assert "link down" in copies["frdf"]["waits_for"]
        assert copies["frdf"]["stuck_at"]


# -- looking again, completing ---------------------------------------------------------------------


def test_what_only_looks_is_looked_at_again_until_somebody_ends_it(world, dbb, monkeypatch):
    published(world)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("dbb.cli.main.time.sleep", sleep)
    code, out, _ = dbb("night", "20261121", "--watch", "--json")
    assert (code, slept, out.count('"schema": "dbb-night/1"')) == (0, [10] * 3, 3)


def test_every_watched_command_is_there_and_what_acts_is_not_watched():
    parser = build_parser()
    for words in WATCHED:
        given = [*words.split(), *("x" for _ in range(NEEDS.get(words, 0))), "--watch"]
        assert parser.parse_args(given).watch
    with pytest.raises(SystemExit):
        parser.parse_args(["alarms", "watch", "--watch"])


NEEDS = {"exposure": 1, "where": 1, "calibration show": 1}


@pytest.mark.parametrize(
    ("line", "offered"),
    [("dbb can", "canary"), ("dbb catchup p", "plan"), ("dbb catchup plan --f", "--from")],
)
def test_shells_complete_commands_actions_and_options(line, offered, tmp_path):
    """Ask as a shell does: the line so far in the environment, the answer in a file."""
    answer = tmp_path / "answer"
    asked = {
        **os.environ, "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line,
        "COMP_POINT": str(len(line)), "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "PYTHONPATH": str(Path(main.__code__.co_filename).parents[2]),
    }  # fmt: skip
    subprocess.run([sys.executable, "-m", "dbb"], env=asked, check=False)
    assert offered in answer.read_text().replace(" ", "").split("\n")
