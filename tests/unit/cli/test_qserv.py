"""``dbb qserv`` where nothing was handed over yet, and what it says of settings."""

import json

import pytest

from dbb.cli.main import main
from dbb.flows.qserv_views import Attempt, Check, HandoffRow, InputRow, Stage
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.qserv.records import SqlQserv
from dbb.hooks.sql import migrate
from support.fake_clock import FixedClock


@pytest.fixture
def records(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("DBB_LEDGER_URL", url)
    engine = open_engine(url)
    migrate(engine)
    yield SqlQserv(SqlLedger(engine, FixedClock(), "test"))
    engine.dispose()


def status(capsys, *words):
    code = main(["qserv", "status", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)["handoffs"]


@pytest.mark.usefixtures("records")
def test_no_handoff_is_told(capsys):
    assert status(capsys) == (0, [])


def test_a_handoff_is_told_with_its_numbers(records, capsys):
    row = HandoffRow("dp1", "usdf", "dp1", "0" * 64, Stage.PLANNED)
    records.begin(row)
    records.note_inputs(row.name, [InputRow("Object", "a", "1" * 64, 10)])
    records.note_inputs(
        row.name, [InputRow("Object", "a", "1" * 64, 10, 9, 8, 3, 1, 0, 2, 4, is_staged=True)]
    )
    number = records.intend(row.name, "Object", 0)
    assert records.intend(row.name, "Object", 0) == number
    records.note_attempt(row.name, Attempt("Object", 0, number, 7, "committed"))
    records.note_attempt(row.name, Attempt("Object", 0, number, 7, "aborted"))
    code, (told,) = status(capsys, "--release", "dp1")
    assert code == 0
    assert (told["rows"], told["quarantined"], told["committed"], told["aborted"]) == (8, 1, 1, 0)
    assert (told["elsewhere"], told["twice"]) == (2, 4)
    assert status(capsys, "--endpoint", "frdf") == (0, [])
    records.note_checks(row.name, [Check("Object", "rows", "chunk 1", "2", "3", is_right=False)])
    code, (told,) = status(capsys)
    assert (code, told["wrong"]) == (1, 1)


def test_stages_only_go_forward(records):
    row = HandoffRow("dp1", "usdf", "dp1", "0" * 64, Stage.PLANNED)
    records.begin(row)
    records.advance(row.name, Stage.LOADED)
    records.advance(row.name, Stage.REGISTERED)
    assert records.find("dp1", "usdf").stage is Stage.LOADED
    records.advance(row.name, Stage.ROLLED_BACK)
    records.begin(row)
    assert records.find("dp1", "usdf").stage is Stage.PLANNED


def test_a_publication_is_open_until_it_is_answered_or_a_day_old(records):
    row = HandoffRow("dp1", "usdf", "dp1", "0" * 64, Stage.PLANNED)
    records.begin(row)
    assert not records.is_publication_open(row.name)
    records.ask_publication(row.name)
    assert records.is_publication_open(row.name)
    records._ledger._clock.advance(23 * 3600)
    records.ask_publication(row.name)
    records._ledger._clock.advance(2 * 3600)
    assert not records.is_publication_open(row.name)
    records.ask_publication(row.name)
    assert records.is_publication_open(row.name)
    records.answer_publication(row.name)
    assert not records.is_publication_open(row.name)
    records.ask_publication(row.name)
    assert records.is_publication_open(row.name)
    records.forget(row.name)
    assert not records.is_publication_open(row.name)


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("action", ["plan", "resume", "verify", "rollback"])
def test_an_endpoint_without_a_qserv_is_told(capsys, action):
    code = main(["qserv", action, "--endpoint", "usdf", "--release", "dp1"])
    assert code == 5
    assert "DBB_QSERV_" in capsys.readouterr().err


@pytest.mark.usefixtures("records")
def test_no_release_is_told_and_none_is_listed(capsys, monkeypatch):
    monkeypatch.setenv("DBB_QSERV_URL_USDF", "http://qserv:25081")
    assert main(["qserv", "releases", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["releases"] == []
    assert main(["qserv", "list", "--endpoint", "usdf", "--release", "dp1"]) != 0
    assert "no Parquet of the release is published there" in capsys.readouterr().err
