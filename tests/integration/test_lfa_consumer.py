"""`dbb lfa consume` as a process of its own: killed between keeping and acknowledging."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from dbb.hooks.engine import open_engine
from dbb.hooks.inbox import SqlInbox
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.lfa import SqlLfaObjects
from dbb.wiring.base import SystemClock
from support.annex import BUCKET, TOPIC
from support.kafka import PLAIN, avro

EVENTS = 60
DIE_BEFORE_COMMIT = """
import os, signal, sys
import confluent_kafka
class Dying(confluent_kafka.Consumer):
    def commit(self, *arguments, **options):
        os.kill(os.getpid(), signal.SIGKILL)
confluent_kafka.Consumer = Dying
from dbb.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
ACKNOWLEDGE_FIRST = """
import os, signal, sys
import confluent_kafka
class Hasty(confluent_kafka.Consumer):
    def consume(self, *arguments, **options):
        found = super().consume(*arguments, **options)
        if found:
            self.commit(asynchronous=False)
            os.kill(os.getpid(), signal.SIGKILL)
        return found
confluent_kafka.Consumer = Hasty
from dbb.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""What must not be: it shows that the test would see a loss."""

PLAINLY = "import sys; from dbb.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def database(tmp_path):
    """Give the ledger's address."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    SqlLedger(open_engine(url), SystemClock(), "test").migrate()
    return url


@pytest.fixture
def consume(database, mock_kafka, tmp_path, request):
    """Start a consumer; end it when the test ends."""
    started = []
    (tmp_path / "lfa").mkdir()
    environment = {
        **os.environ,
        "DBB_LEDGER_URL": database,
        "DBB_STORE_LFA": f"file://{tmp_path}/lfa",
        "DBB_LFA_BUCKET": BUCKET,
        "PYTHONPATH": str(request.config.rootpath / "plugins"),
    }
    words = ["lfa", "consume", "--brokers", mock_kafka.brokers, "--topic", TOPIC, "--schema"]
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(PLAIN))

    def start(program):
        command = [sys.executable, "-c", program, *words, f"7={schema}"]
        started.append(subprocess.Popen(command, env=environment))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def ledger(database):
    return SqlLedger(open_engine(database), SystemClock(), "test")


def keys(ledger):
    return [each.key for each in SqlLfaObjects(ledger).due(10 * EVENTS)]


def poison(ledger):
    return len(SqlInbox(ledger).find("poison", "", 10 * EVENTS))


def wait_for(condition):
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end, "it did not come to pass within 90 s"
        time.sleep(0.1)


def test_a_consumer_that_is_killed_before_it_acknowledges_loses_and_doubles_nothing(
    ledger, mock_kafka, consume
):
    names = [f"DREAM/dream/2026/11/21/{number:03d}.fits" for number in range(EVENTS)]
    mock_kafka.send(TOPIC, *map(avro, names[: EVENTS // 2]), b"unusable")
    killed = consume(DIE_BEFORE_COMMIT)
    assert killed.wait(90) == -signal.SIGKILL
    kept = keys(ledger)
    assert kept, "it was killed after keeping"
    mock_kafka.send(TOPIC, *map(avro, names[EVENTS // 2 :]))
    second = consume(PLAINLY)
    wait_for(lambda: len(keys(ledger)) >= EVENTS and poison(ledger))
    assert sorted(keys(ledger)) == names
    assert poison(ledger) == 1
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
    mock_kafka.send(TOPIC, avro("DREAM/dream/2026/11/21/last.fits"))
    third = consume(PLAINLY)
    wait_for(lambda: len(keys(ledger)) > EVENTS)
    assert len(keys(ledger)) == EVENTS + 1
    third.send_signal(signal.SIGTERM)
    assert third.wait(60) == 0


def test_a_consumer_that_acknowledges_first_would_be_seen_to_lose(ledger, mock_kafka, consume):
    mock_kafka.send(TOPIC, avro("DREAM/dream/2026/11/21/lost.fits"))
    assert consume(ACKNOWLEDGE_FIRST).wait(90) == -signal.SIGKILL
    mock_kafka.send(TOPIC, avro("DREAM/dream/2026/11/21/kept.fits"))
    consume(PLAINLY)
    wait_for(lambda: keys(ledger))
    assert keys(ledger) == ["DREAM/dream/2026/11/21/kept.fits"]
