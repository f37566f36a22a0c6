"""`dbb alerts archive` as a process of its own, killed around its one transaction; and on PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid

import pytest
from sqlalchemy import create_engine, make_url, text

from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.wiring.base import SystemClock
from support.alerts import FIRST, NIGHT, SCHEMA, TOPIC, AlertWorld, packet, schema

ALERTS = 60
PLAINLY = "import sys; from dbb.cli.main import main; sys.exit(main(sys.argv[1:]))"
KILL = """
import os, signal
from dbb.hooks.alerts.rows import SqlAlertRows
commit = SqlAlertRows.commit
def dying(self, shards, steps, accounts):
    {before}
    os.kill(os.getpid(), signal.SIGKILL)
SqlAlertRows.commit = dying
"""
DIE_BEFORE = KILL.format(before="pass") + PLAINLY
DIE_AFTER = KILL.format(before="commit(self, shards, steps, accounts)") + PLAINLY
ACKNOWLEDGE_FIRST = KILL.format(before="commit(self, [], steps, [])") + PLAINLY
"""What must not be: it shows that the test would see a loss."""


@pytest.fixture
def dbb(mock_kafka, tmp_path, request):
    """Give a way to run a program with the command line's words."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    SqlLedger(open_engine(url), SystemClock(), "test").migrate()
    for name in ("usdf", "alerts/v2/schemas"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / f"alerts/v2/schemas/{SCHEMA}.json").write_text(json.dumps(schema()))
    environment = {
        **os.environ,
        "DBB_LEDGER_URL": url,
        "DBB_STORE_USDF": f"file://{tmp_path}/usdf",
        "DBB_STORE_ALERTS": f"file://{tmp_path}/alerts",
        "DBB_ALERTS_BROKERS": mock_kafka.brokers,
        "DBB_ALERTS_TOPIC": TOPIC,
        "PYTHONPATH": os.pathsep.join(
            [str(request.config.rootpath / "plugins"), os.environ.get("PYTHONPATH", "")]
        ),
    }

    def run(program, *words):
        done = subprocess.run(
            [sys.executable, "-c", program, "alerts", *words, "--json"],
            env=environment, capture_output=True, check=False, timeout=300,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    return run


def archived(dbb):
    """Give what is archived of the night, and how many messages were taken."""
    (night,) = dbb(PLAINLY, "status", "--day-obs", str(NIGHT))[1]["nights"]
    return night["archived"], night["stored"], night["duplicates"]


def test_a_run_that_is_killed_loses_and_doubles_nothing(dbb, mock_kafka, tmp_path):
    packets = [packet(number) for number in range(ALERTS)]
    mock_kafka.send(TOPIC, *packets[: ALERTS // 2], b"garbage", packets[3])
    assert dbb(DIE_BEFORE, "archive")[0] == -signal.SIGKILL
    assert archived(dbb) == (0, 0, 0)
    assert dbb(DIE_AFTER, "archive")[0] == -signal.SIGKILL
    # The garbage counts in the night when it was sent: nothing else says whose it is.
    assert archived(dbb) == (ALERTS // 2, ALERTS // 2, 1)
    mock_kafka.send(TOPIC, *packets[ALERTS // 2 :])
    code, told = dbb(PLAINLY, "archive")
    assert (code, told["counts"]) == (0, {"archived": ALERTS // 2})
    assert len(told["units"]) == 2, "the shard of the killed run travels too"
    assert archived(dbb) == (ALERTS, ALERTS, 1)
    for number in (0, ALERTS - 1):
        out = tmp_path / "packet"
        assert dbb(PLAINLY, "get", str(FIRST + number), "--out", str(out))[0] == 0
        assert out.read_bytes() == packets[number]


def test_one_that_acknowledges_first_would_be_seen_to_lose(dbb, mock_kafka):
    mock_kafka.send(TOPIC, packet(1))
    assert dbb(ACKNOWLEDGE_FIRST, "archive")[0] == -signal.SIGKILL
    mock_kafka.send(TOPIC, packet(2))
    assert dbb(PLAINLY, "archive")[1]["counts"] == {"archived": 1}


@pytest.mark.sandbox
def test_postgresql_keeps_the_same_account(sandbox):
    admin = make_url(sandbox.env["DBB_POSTGRES_URL"])
    name = f"alerts_{uuid.uuid4().hex[:12]}"
    engine = create_engine(admin, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name}"))
    try:
        check_on(admin.set(database=name).render_as_string(hide_password=False))
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"drop database {name} with (force)"))
        engine.dispose()


def check_on(ledger_url):
    world = AlertWorld(ledger_url=ledger_url)
    world.stream.send(packet(1), packet(2), packet(1), packet(2, flux=3.0), b"garbage")
    assert world.run() == {"archived": 2, "duplicates": 1, "conflicts": 1, "refused": 1}
    world.stream.send(packet(3))
    assert (world.run(), world.run()) == ({"archived": 1}, {})
    assert [world.get(number) for number in (1, 2, 3)] == [packet(number) for number in (1, 2, 3)]
    (account,) = world.alerts.rows.accounts(NIGHT, NIGHT)
    assert (account.messages, account.duplicates, account.conflicts) == (6, 1, 1)
    first, second = (world.alerts.rows.claim(NIGHT) for _ in range(2))
    assert (first.number, second.number) == (3, 4)
    (shard, _) = world.alerts.rows.shards(NIGHT)
    world.alerts.rows.discard(shard)
    assert world.alerts.rows.accounts(NIGHT, NIGHT)[0].messages == 6 - shard.alerts
    world.world.ledger.engine.dispose()
