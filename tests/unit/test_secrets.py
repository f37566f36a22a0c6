"""Secrets stay where they belong: no command and no page shows one, whatever goes wrong."""

import argparse
import http.server
import logging
import re
import sys
import threading
import traceback
from pathlib import Path

import pytest

from dbb import secrecy
from dbb.cli.main import COMMANDS, build_parser, main
from dbb.settings import Settings
from dbb.wiring.base import open_ledger
from support.canary_secrets import found_in_files, found_in_text
from support.planted_secrets import CLOSED, LEDGER, environment, planted, telling_everything

ROOT = Path(__file__).resolve().parents[2]
FOR_EVER = {"events receive", "events kafka", "lfa consume", "lfa announce", "alerts archive"}
"""They wait for callers or brokers: for ever, or for half a minute."""

WORDS = {
    "obs_id": "MC_O_20261121_000001", "obs_ids": "MC_O_20261121_000001", "item": "MC_O_20261121_000001",
    "day_obs": "20261121", "subject": "level1/20261121", "name": "usdf", "endpoint": "usdf",
    "decision": "reject", "--endpoint": "usdf", "--release": "dp1", "--kind": "file", "--day-obs": "20261121",
    "--from": "20261121", "--to": "20261121", "--until": "2026-12-01T00:00:00Z", "--plan": "0" * 12,
    "--collection": "LSSTCam/raw/all", "--dataset-type": "raw", "number": "5", "alert_id": "5",
    "message_id": "5", "event_id": "5", "table": "exposure",
}  # fmt: skip


WITHOUT_SECRETS = {
    "DBB_RUCIO_ACCOUNT", "DBB_RUCIO_USER", "DBB_LFA_BUCKET", "DBB_EFD_DATABASE", "DBB_EFD_USER", "DBB_ALERTS_BROKERS",
    "DBB_ALERTS_KAFKA_CA", "DBB_ALERTS_KAFKA_USER", "DBB_ALERTS_KAFKA_SASL", "DBB_KAFKA_CA", "DBB_KAFKA_USER", "DBB_KAFKA_SASL",
    "DBB_QSERV_SQL_CA_<ENDPOINT>", "DBB_ALERTS_TOPIC", "DBB_ALERTS_REPORTS_TOPIC", "DBB_ALERTS_RETENTION_H", "DBB_QSERV_CA_<ENDPOINT>", "DBB_QSERV_SERVED_CA_<ENDPOINT>",
    "DBB_QSERV_STAGING_<ENDPOINT>", "DBB_QSERV_SIGNED_S_<ENDPOINT>", "DBB_QUEUE_<ENDPOINT>", "DBB_FIRST_NIGHT", "DBB_BACKUP_CONFIG", "DBB_BACKUP_PGDATA",
    "DBB_BACKUP_PGBIN", "DBB_BACKUP_REPOSITORY", "DBB_BACKUP_S3_ENDPOINT", "DBB_BACKUP_S3_REGION", "DBB_BACKUP_S3_CA",
    "DBB_BACKUP_SCRATCH", "DBB_BACKUP_STANZA", "DBB_BACKUP_RUN_AS", "DBB_EXPORT_KEY", "DBB_EXPORT_ROOT",
    "DBB_EXPORT_APPROVAL_BYTES", "DBB_OODS_JOURNAL", "DBB_CURATORS", "DBB_AIRFLOW_USER", "DBB_SANDBOX_DIR", "DBB_SANDBOX_OWN_NETWORK",
    "DBB_PYTHON", "DBB_VENV", "DBB_STORE_SUMMIT", "DBB_STORE_USDF", "DBB_STORE_FRDF", "DBB_STORE_UKDF", "DBB_STORE_CHILE", "DBB_STORE_OODS",
    "DBB_STORE_SCRATCH", "DBB_STORE_LFA", "DBB_STORE_ALERTS", "DBB_BUTLER_USDF", "DBB_BUTLER_FRDF", "DBB_BUTLER_UKDF", "DBB_BUTLER_CHILE",
    "DBB_BUTLER_OODS", "DBB_BUTLER_SCRATCH",
}  # fmt: skip
"""Settings that hold names, numbers, files, or a store, whose key has a place of its own. Whoever adds a setting says
here that it is one of these, or plants a secret into it, in `support.planted_secrets`."""


def template_names():
    """Name the variables of Airflow's template: of what is secret it knows files only."""
    template = (ROOT / "airflow.cfg.template").read_text(encoding="utf-8")
    return set(re.findall(r"\$\{(DBB_[A-Z0-9_]+)", template)) - {"DBB_AIRFLOW_URL"}


def invocations(folder):
    """Give words for every action of every command that ends by itself."""

    def walk(parser, path):
        groups = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
        for group in groups:
            for name, leaf in group.choices.items():
                yield from walk(leaf, [*path, name])
        if groups or " ".join(path) in FOR_EVER:
            return
        words = list(path)
        for each in parser._actions:
            name = each.option_strings[0] if each.option_strings else each.dest
            if each.option_strings and each.required:
                words += [name, WORDS.get(name, folder)]
            elif not each.option_strings and each.nargs not in ("?", "*", argparse.SUPPRESS):
                words.append(WORDS.get(name, folder))
        yield words

    return list(walk(build_parser(), []))


@pytest.fixture
def refusing_server():
    """Answer everything with 403."""

    class Refuse(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.send_response(403)
            self.send_header("Content-Length", "7")
            self.end_headers()
            self.wfile.write(b"refused")

        do_GET = do_POST = do_PUT = do_PATCH = do_HEAD = do_DELETE = answer  # noqa: N815 - http's names

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def talkative():
    with telling_everything() as logged:
        yield logged


@pytest.fixture
def say(capsys, monkeypatch, talkative):
    """Run commands; give everything that any of them wrote, printed or logged at DEBUG, traces included."""

    def run(env, many):
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        codes = {}
        for words in many:
            try:
                codes[" ".join(words[:2])] = main(words, env)
            except BaseException:  # noqa: BLE001 - whatever ends a command is written down
                talkative.write(traceback.format_exc())
                codes[" ".join(words[:2])] = None
        written = capsys.readouterr()
        return codes, written.out + written.err + talkative.getvalue()

    return run


def test_every_setting_is_known_to_hold_a_secret_or_none(tmp_path):
    """Whoever adds a setting decides here: one that holds a secret is planted, and looked for everywhere."""
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`(DBB_[A-Z0-9_]+(?:<ENDPOINT>)?)`", page))
    names -= {
        name for name in names if name.startswith("DBB_AIRFLOW_") and name in template_names()
    }
    env = environment(CLOSED, LEDGER)
    holds = {name.replace("_USDF", "_<ENDPOINT>") if name.startswith(("DBB_QSERV_", "DBB_EFD_VALUES_")) else name
             for name, value in env.items() if "canary-" in value and name.startswith("DBB_")}  # fmt: skip
    assert holds - names == set()
    assert names - holds - WITHOUT_SECRETS == set()
    assert names & holds & WITHOUT_SECRETS == set()
    assert WITHOUT_SECRETS - names == set()
    assert {words[0] for words in invocations(str(tmp_path))} == set(COMMANDS)


def test_every_secret_that_is_planted_is_one_to_the_program():
    env = environment(CLOSED, LEDGER)
    known = [value for values in secrecy.secrets_of(env).values() for value in values]
    marks = planted(env)
    assert len(marks) == 40
    assert found_in_text(" ".join(known), marks) == sorted(marks)
    assert (
        secrecy.secrets_of({"DBB_EXPORT_KEY": "/keys/export", "AWS_ACCESS_KEY_ID": "identifier"})
        == {}
    )


def test_no_command_shows_a_secret_when_the_ledger_is_away(say, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = environment(CLOSED, LEDGER)
    codes, written = say(env, invocations(str(tmp_path)))
    assert codes["night"] == 3
    assert set(codes.values()) <= set(range(6))  # none ends as a fault of the program
    assert "ledger-unavailable" in written
    assert found_in_text(written, planted(env)) == []


@pytest.mark.parametrize("refuses", [False, True])
def test_no_command_shows_a_secret_when_services_are_away_or_refuse(
    say, tmp_path, monkeypatch, refusing_server, refuses
):
    monkeypatch.chdir(tmp_path)
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    open_ledger(Settings.load(environment={"DBB_LEDGER_URL": ledger}), "test").migrate()
    env = environment(refusing_server if refuses else CLOSED, ledger)
    codes, written = say(env, invocations(str(tmp_path)))
    assert codes["night"] == 1  # nobody has looked at the summit
    assert set(codes.values()) <= set(range(6))
    for code in (
        ("airflow-unavailable", "store-unavailable") if not refuses else ("airflow-refused",)
    ):
        assert code in written
    assert "urllib3" in written or "Starting new HTTP connection" in written  # DEBUG is there
    assert found_in_text(written, planted(env)) == []


def test_an_address_with_a_password_and_no_port_is_no_fault_of_the_program(say):
    env = environment(CLOSED, LEDGER) | {
        "DBB_AIRFLOW_URL": "http://ops:canary-airflow-url-5@airflow"
    }
    _, written = say(env, [["doctor"]])
    assert "airflow-unavailable" in written
    assert found_in_text(written, planted(env)) == []


def test_without_the_guard_libraries_tell_secrets_at_debug(
    say, tmp_path, monkeypatch, refusing_server
):
    """The harness sees what it is there for: nothing above is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(secrecy, "conceal", lambda text: text)
    monkeypatch.setattr("dbb.hooks.rucio_client.logging.INFO", logging.DEBUG)
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    open_ledger(Settings.load(environment={"DBB_LEDGER_URL": ledger}), "test").migrate()
    env = environment(refusing_server, ledger)
    _, written = say(env, [["doctor"], ["alarms", "watch"]])
    assert {"canary-rucio", "canary-hook"} <= set(found_in_text(written, planted(env)))


def test_a_leak_that_is_planted_is_found(say, tmp_path, monkeypatch):
    env = environment(CLOSED, LEDGER)
    monkeypatch.setattr("dbb.cli.night.run", lambda *_: sys.stdout.write(f"connected to {LEDGER}"))
    _, written = say(env, [["night"]])
    assert found_in_text(written, planted(env)) == ["canary-ledger"]
    (tmp_path / "task.log").write_text(f"password {env['DBB_RUCIO_PASSWORD']}")
    secrets = {"rucio": env["DBB_RUCIO_PASSWORD"]}
    assert [name for name, _ in found_in_files(tmp_path, secrets)] == ["rucio"]
