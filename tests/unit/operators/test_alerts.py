"""The steps of the archive of alert packets: one call of a flow each."""

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from dbb.errors import AlertCountsDiffer
from dbb.operators import alerts as steps
from dbb.wiring import alerts as alerts_wiring
from support.alerts import NIGHT, AlertWorld, packet


@pytest.fixture
def world(monkeypatch):
    made = AlertWorld()
    monkeypatch.setenv("DBB_ALERTS_BROKERS", "memory")
    monkeypatch.setattr(steps, "open_for_run", lambda _: made.world.backbone())
    monkeypatch.setattr(alerts_wiring, "open_alerts", lambda *_: made.alerts)
    return made


@pytest.fixture
def context():
    return {
        "run_id": "r",
        "dag_run": SimpleNamespace(partition_key=str(NIGHT), conf=None),
        "params": {"day_obs": None},
        "dag": SimpleNamespace(params={"day_obs": None}),
    }


def test_a_run_takes_seals_and_counts_its_night(world, context):
    world.stream.send(packet(1), packet(2), packet(1))
    take = steps.TakeAlerts(task_id="a")
    assert take.execute(context) == {"again": {}, "archived": 2, "duplicates": 1}
    assert steps.SealAlertShards(task_id="b").execute(context) == {"parcels": 1}
    count = steps.CountAlerts(task_id="c")
    with pytest.raises(AlertCountsDiffer):
        count.execute(context)
    world.stream.tell(NIGHT, 2)
    assert count.execute(context) == {"archived": 2}


def test_without_a_stream_the_steps_are_skipped(world, context, monkeypatch):
    monkeypatch.delenv("DBB_ALERTS_BROKERS")
    with pytest.raises(AirflowSkipException):
        steps.TakeAlerts(task_id="a").execute(context)
    assert world.alerts.rows.loose() == []
