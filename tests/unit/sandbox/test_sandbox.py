"""Ports, secrets, the env file, and services that leave nothing behind."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dbb.hooks.ssh_signature import SshSigner
from sandbox import cli
from sandbox.allotted import Allotted, is_free
from sandbox.client_env import client_env
from sandbox.envfile import read_env, write_env
from sandbox.errors import SandboxError
from sandbox.export_key import SIGNER, allowed_signers, export_key, make_export_key
from sandbox.layout import Layout
from sandbox.lifecycle import Sandbox
from sandbox.processes import family
from sandbox.registry import SERVICES, choose
from sandbox.service import Service

ROOT = Path(__file__).resolve().parents[3]

# A leader with a child that leaves the session and another that ignores SIGTERM.
FAMILY = """
import os, signal, subprocess, sys, time
ignoring = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", ignoring])
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open(sys.argv[1], "w").close()
time.sleep(600)
"""


class Parent(Service):
    name = "parent"
    stop_grace_s = 2
    kill_after_s = 0.2
    ready_within_s = 60

    def ready_file(self):
        return self.layout.state / "ready"

    def command(self):
        return [sys.executable, "-c", FAMILY, str(self.ready_file())]

    def is_ready(self):
        return self.ready_file().exists()

    def address(self):
        return "-"


@pytest.fixture
def layout(tmp_path):
    layout = Layout(root=ROOT, state=tmp_path / "state")
    layout.make()
    return layout


@pytest.fixture
def parent(layout):
    parent = Parent(layout, Allotted(layout.allotted_file))
    yield parent
    parent.stop()


def test_stopping_a_service_leaves_no_child(parent):
    assert parent.start()
    leader = parent.process()
    assert len(family(leader, parent.mark)) == 3
    parent.stop()
    assert family(leader, parent.mark) == set()
    assert parent.process() is None


def test_children_of_a_leader_that_died_are_found_and_stopped(parent):
    parent.start()
    leader = parent.process()
    os.kill(leader.pid, 9)
    os.waitpid(leader.pid, 0)
    assert not parent.is_running()
    assert len(family(leader, parent.mark)) == 2
    parent.stop()
    assert family(leader, parent.mark) == set()


def test_a_running_service_is_left_alone(parent):
    assert parent.start()
    leader = parent.process()
    assert not parent.start()
    assert parent.process() == leader


def test_a_service_that_ends_at_once_shows_its_log(layout):
    class Broken(Parent):
        name = "broken"

        def command(self):
            return [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]

    with pytest.raises(SandboxError, match="ended while starting") as caught:
        Broken(layout, Allotted(layout.allotted_file)).start()
    assert "the reason" in str(caught.value)


def test_a_number_reused_by_another_process_is_not_ours(parent):
    parent.start()
    leader = parent.process()
    impostor = type(leader)(leader.pid, leader.started_ticks + 1)
    parent.layout.run_file("parent").write_text(
        f'{{"pid": {impostor.pid}, "started_ticks": {impostor.started_ticks}}}'
    )
    assert not parent.is_running()
    # Found by its mark all the same, so that nothing is left behind.
    assert leader in family(impostor, parent.mark)


def test_ports_and_secrets_are_drawn_once(tmp_path):
    first = Allotted(tmp_path / "allotted.json")
    port, secret = first.port("a"), first.secret("a")
    again = Allotted.load(tmp_path / "allotted.json")
    assert (again.port("a"), again.secret("a")) == (port, secret)
    assert again.port("b") != port
    assert (tmp_path / "allotted.json").stat().st_mode & 0o777 == 0o600


def test_the_key_that_signs_exports_is_made_once_and_is_private(layout):
    make_export_key(layout)
    key = export_key(layout)
    first = key.read_bytes()
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    SshSigner(key).check()
    make_export_key(layout)
    assert key.read_bytes() == first
    # A start that was killed left half of one.
    key.rename(key.with_name("exports.part"))
    make_export_key(layout)
    assert key.read_bytes() != first
    assert allowed_signers(layout).read_text().split()[0] == SIGNER
    assert client_env(layout, Allotted(layout.allotted_file))["DBB_EXPORT_KEY"] == str(key)


def test_a_port_that_someone_took_is_drawn_again(tmp_path):
    allotted = Allotted(tmp_path / "allotted.json")
    port = allotted.port("a")
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert not is_free(port)
        assert allotted.redraw_busy_ports() == ["a"]
        assert allotted.port("a") != port


def test_the_env_file_is_the_same_to_python_and_to_a_shell(tmp_path):
    values = {
        "DBB_A": "postgresql+psycopg://u:p@h:1/d",
        "DBB_B": "it's a $HOME with spaces",
        "C": "",
    }
    write_env(tmp_path / "env", values)
    assert read_env(tmp_path / "env") == values
    shell = 'set -a; . "$1"; printf "%s|%s|%s" "$DBB_A" "$DBB_B" "$C"'
    said = subprocess.run(
        ["/bin/sh", "-c", shell, "sh", str(tmp_path / "env")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert said == "|".join(values.values())
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600


def test_a_value_with_a_line_break_is_refused(tmp_path):
    with pytest.raises(ValueError, match="line break"):
        write_env(tmp_path / "env", {"A": "1\nB=2"})


def test_a_missing_env_file_says_what_to_do(tmp_path):
    with pytest.raises(SandboxError, match="sandbox up"):
        read_env(tmp_path / "env")


def test_clients_find_every_promised_variable(layout):
    env = client_env(layout, Allotted(layout.allotted_file))
    promised = """
        DBB_LEDGER_URL DBB_BUTLER_USDF DBB_BUTLER_FRDF DBB_BUTLER_DB_USDF DBB_BUTLER_DB_FRDF
        DBB_STORE_SUMMIT DBB_STORE_USDF DBB_STORE_FRDF DBB_RUCIO_HOST DBB_RUCIO_ACCOUNT
        DBB_RUCIO_USER DBB_RUCIO_PASSWORD DBB_RUCIO_CYCLE_URL DBB_COPY_SERVICE_URL DBB_AIRFLOW_URL
        DBB_AIRFLOW_USER DBB_AIRFLOW_PASSWORD AIRFLOW_HOME DBB_POSTGRES_URL
    """
    assert set(promised.split()) <= set(env)
    assert env["DBB_LEDGER_URL"].startswith("postgresql+psycopg://dbb:")
    assert env["DBB_STORE_USDF"] == (layout.state / "stores/usdf").as_uri()


def test_choosing_a_service_chooses_what_it_needs():
    assert choose("rucio") == {"rucio", "postgres", "memcached", "copy"}
    needed = {"airflow-api", *choose("rucio")}
    assert choose("airflow-triggerer") == {"airflow-triggerer", *needed}
    assert choose("storage,airflow") == choose(None) == {service.name for service in SERVICES}
    with pytest.raises(SandboxError, match="no service 'kafka'"):
        choose("kafka")


def test_services_stand_after_what_they_need():
    names = [service.name for service in SERVICES]
    for service in SERVICES:
        assert all(names.index(need) < names.index(service.name) for need in service.needs)


def test_reset_refuses_a_folder_that_is_not_its_own(tmp_path):
    (tmp_path / "precious").write_text("data")
    with pytest.raises(SandboxError, match="not made by the sandbox"):
        Sandbox(Layout(root=ROOT, state=tmp_path), lambda _: None).reset()
    assert (tmp_path / "precious").exists()


def test_status_of_nothing_is_a_table_and_json(layout, capsys, monkeypatch):
    monkeypatch.setenv("DBB_SANDBOX_DIR", str(layout.state))
    assert cli.main(["status"]) == 1
    assert "postgres" in capsys.readouterr().out
    assert cli.main(["status", "--json"]) == 1
    assert '"state": "stopped"' in capsys.readouterr().out


def test_every_command_explains_itself():
    for name, (command, _) in cli.COMMANDS.items():
        assert re.match(r"[A-Z][a-z]+ ", command.__doc__ or ""), name
