"""Alerts and the rules of the Consolidated Database on the real Airflow, whose own metrics and ours arrive by OpenTelemetry."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path

import pytest

from dbb.flows.alert_counting import count_night
from dbb.flows.metrics import NAMES
from dbb.model.consdb import Members
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.finding import Discrepancy
from dbb.settings import Settings
from dbb.wiring.alerts import open_alerts
from dbb.wiring.backbone import open_backbone
from dbb.wiring.efd import open_consdb
from dbb.wiring.keeping import open_findings
from sandbox.layout import Layout
from sandbox.night import Night
from support.alerts import FIRST, MJD, NIGHT, SCHEMA, packet, schema
from support.command_line import dbb
from support.dag_runs import Runs
from support.kafka import MockKafka
from support.otlp import collector
from support.own_scheduler import scheduler_with
from support.real_night import finished_night
from support.schema_registry import schema_registry

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
ALERTS = 40
DONE = {
    "take_the_stream": "success",
    "archive_the_shards": "success",
    "count_the_night": "success",
    "tell_of_failed_steps": "skipped",
}


class Stream:
    """Hold a stream of alerts: the broker, the registry, and what Airflow must be told of them."""

    def __init__(self, registry):
        self.kafka, self.registry = MockKafka(), registry
        self.topic = f"alerts-{uuid.uuid4().hex[:8]}"
        self.settings = {
            "DBB_ALERTS_BROKERS": self.kafka.brokers,
            "DBB_ALERTS_TOPIC": self.topic,
            "DBB_ALERTS_REPORTS_TOPIC": f"{self.topic}-reports",
            "DBB_ALERTS_REGISTRY": registry.url,
        }

    def send(self, *packets):
        self.kafka.send(self.topic, *packets)

    def report(self, night, alerts):
        said = {"day_obs": night.value, "alerts": alerts}
        self.kafka.send(f"{self.topic}-reports", json.dumps(said).encode())


@pytest.fixture(scope="module")
def night(sandbox_airflow):
    night = Night(Layout(root=ROOT, state=sandbox_airflow.state), print, "20250101")
    night.prepare()
    return night


@pytest.fixture(scope="module")
def outside(night):
    """Have Airflow know of a stream of alerts and of a collector of metrics, by settings alone."""
    with schema_registry({SCHEMA: schema()}) as registry, collector() as collected:
        stream = Stream(registry)
        stream.report(DayObs(20170102), 0)  # the topic is there
        Runs(night, "alert_archive").quiet()
        telemetry = {
            "AIRFLOW__METRICS__OTEL_ON": "True",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_METRIC_EXPORT_INTERVAL": "5000",
        }
        with scheduler_with(night.layout, stream.settings | telemetry):
            night.env = {**night.env, **stream.settings}
            yield stream, collected


@pytest.fixture
def settings(night, outside):  # noqa: ARG001 - with what Airflow was told
    return Settings.load(environment=night.env)


def unused_night(alerts):
    """Find a night without alerts: a sandbox may outlive a test run."""
    night = DayObs(20250301)
    while alerts.rows.accounts(night, night):
        night = night.next()
    return night


def until_published(ledger, unit, endpoint, seconds=420):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        delivery = ledger.deliveries([unit]).get((unit, endpoint))
        if delivery is not None and delivery.state is State.PUBLISHED:
            return
        time.sleep(1)
    pytest.fail(f"{unit} is not published at {endpoint} within {seconds} s: {delivery}")


def test_a_night_of_alerts_is_archived_counted_and_found_again(outside, night, settings, tmp_path):
    stream, _ = outside
    alerts = open_alerts(settings, open_backbone(settings, "test"), "test")
    day = unused_night(alerts)
    days = (day.begin - NIGHT.begin).days
    base = (days + 10_000) * 1_000_000  # no other night has these numbers
    packets = [packet(base + number, mjd=MJD + days) for number in range(ALERTS + 1)]
    stream.send(*packets[:ALERTS], packets[3])
    stream.report(day, ALERTS)
    runs = Runs(night, "alert_archive")

    assert runs.end(runs.trigger(day_obs=day.value)) == DONE
    count = count_night(alerts, day)
    assert (count.archived, count.account.stored, count.account.duplicates) == (ALERTS, ALERTS, 1)
    (shard,) = alerts.rows.shards(day)
    store = Path(alerts.backbone.archive.url.removeprefix("file://"))
    for name, digest in shard.files.items():
        assert (store / "files" / name).stat().st_size == digest.size_bytes

    # It travels as any permanent file, and a packet is found by its number.
    transfer = Runs(night, "parcel_transfer")
    transfer.end(transfer.trigger())
    ledger = alerts.backbone.ledger
    until_published(ledger, shard.unit, "usdf")
    out = tmp_path / "packet"
    code, told = dbb(night, "alerts", "get", str(FIRST + base + 7), "--out", str(out))
    assert (code, told["shard"], out.read_bytes()) == (0, shard.packets, packets[7])

    # Again, with a registry that lost everything: nothing twice.
    stream.registry.fault = "emptied"
    assert runs.end(runs.trigger(day_obs=day.value)) == DONE
    assert (count_night(alerts, day), alerts.rows.shards(day)) == (count, [shard])

    # One that was issued and did not come: red, with its code; when it has come, green.
    stream.report(day, ALERTS + 1)
    run = runs.trigger(day_obs=day.value)
    assert runs.end(run) == DONE | {"count_the_night": "failed", "tell_of_failed_steps": "failed"}
    assert "alert-counts-differ" in runs.log(run, "count_the_night")
    stream.send(packets[ALERTS])
    assert runs.end(runs.trigger(day_obs=day.value)) == DONE
    assert count_night(alerts, day).archived == ALERTS + 1
    until_published(ledger, shard.unit, "frdf")


def test_a_night_that_breaks_a_rule_is_red_until_it_is_mended(night, settings, tmp_path):
    env = {**night.env, "DBB_STORE_SUMMIT": tmp_path.as_uri(), "summit": str(tmp_path)}
    backbone = open_backbone(Settings.load(environment=env), "integration test")
    day, units = finished_night(backbone, env, 2)
    runs = Runs(night, "consdb_check")
    green = {"fill_the_night": "success", "check_the_night": "success"}
    assert runs.end(runs.trigger(day_obs=day.value)) == green

    number = day.value * 100000 + 1
    lost = Members("LSSTCam", "ccdexposure", number, day.value, 1, [{"detector": 0}])
    open_consdb(settings, "integration test").deliver([lost], "planted", replace=True)
    run = runs.trigger(day_obs=day.value)
    assert runs.end(run) == green | {"check_the_night": "failed"}
    said = runs.log(run, "check_the_night")
    assert "consdb-rule-broken" in said
    assert f"ccdexposure_completeness by 1 of LSSTCam, {min(units)}" in said
    (finding,) = [
        each for each in open_findings(settings).find() if each.sighting.day_obs == day.value
    ]
    assert finding.sighting.discrepancy is Discrepancy.CCDEXPOSURE_COMPLETENESS

    words = ("--day-obs", str(day), "--again", "--reason", "planted by a test")
    assert dbb(night, "consdb", "fill", *words)[0] == 0
    assert runs.end(runs.trigger(day_obs=day.value)) == green
    assert not [
        each for each in open_findings(settings).find() if each.sighting.day_obs == day.value
    ]


def test_airflows_metrics_and_ours_arrive_by_opentelemetry(outside, night):
    """Those of the scheduler, which lives on, and those of tasks, whose processes end at once."""
    _, collected = outside
    watch = Runs(night, "alarm_watch")
    states = watch.end(watch.trigger())
    assert states["tell_the_metrics"] == "success"
    expected = {"airflow.scheduler_heartbeat", "airflow.ti.finish"} | {
        f"airflow.{name}" for name in NAMES if name.startswith(("dbb.deliveries", "dbb.loss"))
    }
    told = ("alarm_watch", "tell_the_metrics")

    def tasks():
        return {(tags["dag_id"], tags["task_id"]) for tags in collected.tags("airflow.ti.finish")}

    def published():
        return collected.value("airflow.dbb.deliveries", endpoint="usdf", state="published") or 0

    # The run may be known to have ended before its task's process has; the clock's run told of less.
    end = time.monotonic() + 180
    while (
        expected - collected.names() or told not in tasks() or published() < 3
    ) and time.monotonic() < end:
        time.sleep(1)
    assert expected - collected.names() == set(), sorted(collected.names())
    assert told in tasks()
    ours = {name for name in collected.names() if name.startswith("airflow.dbb.")}
    assert ours <= {f"airflow.{name}" for name in NAMES}
    assert published() >= 3
