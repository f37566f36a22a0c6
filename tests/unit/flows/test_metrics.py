"""Metrics: what the ledger says, under names that are documented, by StatsD and by Prometheus' text."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
from airflow.sdk._shared.observability.metrics.statsd_logger import SafeStatsdLogger
from airflow.sdk.observability import stats
from statsd import StatsClient

from dbb.cli import metrics as command
from dbb.cli.main import main
from dbb.flows.metrics import NAMES, Meters, Metric, exposition, measure
from dbb.hooks.alarms import SqlAlarms
from dbb.hooks.canary_rows import SqlCanaries
from dbb.hooks.keeping import SqlKeeping
from dbb.hooks.metrics import SqlMetrics
from dbb.model.loss import LossAccount
from dbb.operators.alarms import TellTheMetrics
from dbb.wiring import watching as watching_wiring
from sandbox import sites
from support.otlp import collector
from support.tiny_camera import DETECTORS, image_name, take_exposure
from support.world import World, run_night

ROOT = Path(__file__).resolve().parents[3]


def make_night(world):
    """Have two exposures published, and a third with a file that is refused."""
    for number in (1, 2, 3):
        unit = take_exposure(world.summit, number)
    world.summit.put(image_name(unit, DETECTORS[0]), b"not FITS")
    world.settle()
    run_night(world)


@pytest.fixture
def meters():
    world = World()
    make_night(world)
    alarms = SqlAlarms(world.ledger)
    return Meters(
        world.backbone(), SqlMetrics(world.ledger), alarms,
        SqlKeeping(world.ledger), SqlCanaries(world.ledger),
        LossAccount(12, 0, 0, 12, 0), (),
    )  # fmt: skip


def value(metrics, name, **tags):
    (found,) = [each.value for each in metrics if (each.name, each.tags) == (name, tags)]
    return found


def test_the_values_are_the_ledgers(meters):
    found = measure(meters)
    assert value(found, "dbb.deliveries", endpoint="usdf", state="published") == 2
    assert value(found, "dbb.deliveries_bytes", endpoint="frdf", state="published") > 0
    assert value(found, "dbb.waiting_exposures", endpoint="frdf") == 0
    assert value(found, "dbb.lag_seconds", endpoint="usdf", quantile="0.95") >= 0
    assert sum(each.value for each in found if each.name == "dbb.quarantine_held") == 1
    assert value(found, "dbb.loss_allowed") == pytest.approx(12e-5)


def test_every_name_is_documented_and_on_the_dashboard_or_plain(meters):
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(dbb\.[a-z_]+)`", page, re.MULTILINE)) == set(NAMES)
    assert {each.name for each in measure(meters)} <= set(NAMES)
    dashboard = json.loads((ROOT / "docs/operate/grafana-dashboard.json").read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
        for name in re.findall(r"dbb_[a-z_]+", target["expr"])
    }
    assert asked <= {name.replace(".", "_") for name in NAMES}
    assert len(asked) >= 10


def test_the_text_is_prometheus():
    text = exposition([Metric("dbb.deliveries_bytes", 1_234_567_890_123, {"endpoint": 'a"b'})])
    assert text == (
        "# HELP dbb_deliveries_bytes their bytes\n# TYPE dbb_deliveries_bytes gauge\n"
        'dbb_deliveries_bytes{endpoint="a\\"b"} 1234567890123.0\n'
    )


def test_the_command_writes_text_or_json(meters, monkeypatch, capsys):
    monkeypatch.setattr(command, "_open", lambda _: meters)
    assert main(["metrics"], {"DBB_LEDGER_URL": "sqlite://"}) == 0
    assert 'dbb_deliveries{endpoint="usdf",state="published"} 2.0' in capsys.readouterr().out
    assert main(["metrics", "--json"], {"DBB_LEDGER_URL": "sqlite://"}) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "dbb-metrics/1"


@pytest.fixture
def statsd():
    """Take what a StatsD client sends over a real socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        sink.settimeout(5)
        host, port = sink.getsockname()
        client = StatsClient(host, port, prefix="airflow")
        logger = SafeStatsdLogger(client, influxdb_tags_enabled=True, statsd_influxdb_enabled=True)
        stats.initialize(factory=lambda: logger, export_legacy_names=False)
        yield sink
        stats.initialize(factory=NoStatsLogger, export_legacy_names=False)
        client.close()


def test_the_task_hands_them_to_airflows_own_channel(meters, statsd, monkeypatch):
    monkeypatch.setattr(watching_wiring, "open_meters", lambda *_: meters)
    sent = TellTheMetrics(task_id="tell").execute({"run_id": "test"})
    got = [statsd.recv(1024).decode() for _ in range(sent)]
    assert "airflow.dbb.deliveries,endpoint=usdf,state=published:2|g" in got


TELL = """
from airflow.sdk.configuration import conf
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from dbb.operators.alarms import TellTheMetrics

# As Airflow's own processes for tasks begin.
stats.initialize(
    factory=stats_utils.get_stats_factory(),
    export_legacy_names=conf.getboolean("metrics", "legacy_names_on"),
)
print(TellTheMetrics(task_id="tell").execute({"run_id": "test"}))
"""


def tell_by_opentelemetry(protocol, tmp_path, program=TELL):
    """Run a process that measures, with nothing but settings; give what a collector got of it."""
    ledger_url = f"sqlite:///{tmp_path}/ledger.db"
    world = World(ledger_url)
    make_night(world)
    world.ledger.engine.dispose()
    with collector(protocol) as collected:
        settings = {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__METRICS__LEGACY_NAMES_ON": "False",
            "AIRFLOW__METRICS__OTEL_ON": "True",
            "DBB_LEDGER_URL": ledger_url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "PYTHONPATH": str(ROOT / "plugins"),
        }
        for name in sites.STORES:
            (tmp_path / name).mkdir()
            settings[f"DBB_STORE_{name}"] = (tmp_path / name).as_uri()
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **settings}, capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return collected


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_they_arrive_by_opentelemetry_where_the_configuration_says_so(protocol, tmp_path):
    """Also from a process that ends at once, as those of tasks do."""
    collected = tell_by_opentelemetry(protocol, tmp_path)
    told = {name.removeprefix("airflow.") for name in collected.names()}
    assert {"dbb.deliveries", "dbb.quarantine_held", "dbb.loss_allowed"} <= told <= set(NAMES)
    assert collected.kinds("airflow.dbb.deliveries") == {"gauge"}
    assert collected.value("airflow.dbb.deliveries", endpoint="usdf", state="published") == 2
    assert collected.value("airflow.dbb.quarantine_held", code="truncated-file") == 1


def test_what_is_not_sent_before_the_process_ends_would_be_missed(tmp_path):
    """The planted bug: a process that ends without sending what it holds."""
    hasty = f"{TELL}\nimport os, sys\nsys.stdout.flush()\nos._exit(0)"
    assert tell_by_opentelemetry("http/protobuf", tmp_path, hasty).names() == set()
