"""The steps that begin handoffs by themselves."""

import pytest
from airflow.sdk.exceptions import DagRunTriggerException, DownstreamTasksSkipped

import dbb.operators.qserv_releases as steps
from dbb.flows.qserv_releases import Release
from dbb.wiring import qserv as qserv_wiring

pytestmark = pytest.mark.filterwarnings("default")

DUE = Release("frdf", "dp1", "", "ab" * 32)


@pytest.fixture
def found(monkeypatch):
    releases = []
    monkeypatch.setattr(steps, "open_for_run", lambda context: context["run_id"])
    monkeypatch.setattr(qserv_wiring, "open_qserv_records", lambda _: None)
    monkeypatch.setattr(steps, "look_for_releases", lambda *_: releases)
    return releases


def test_only_what_is_due_is_begun(found, context):
    found += [DUE, Release("usdf", "dp1", "its handoff was begun and is verified")]
    told = steps.LookForReleases(task_id="look").execute(context)
    assert told == [
        {"endpoint": "frdf", "release": "dp1", "run_id": "delivered__dp1.frdf.abababababab"}
    ]


def test_with_nothing_due_nothing_follows(found, context):
    found.append(Release("usdf", "dp1", "1 of 2 parcels are not published there"))
    with pytest.raises(DownstreamTasksSkipped):
        steps.LookForReleases(task_id="look").execute(context)


def test_a_run_that_is_there_is_left_alone(context):
    due = {"endpoint": "frdf", "release": "dp1", "run_id": DUE.run_id}
    with pytest.raises(DagRunTriggerException) as asked:
        steps.StartHandoff(task_id="start", due=due).execute(context)
    assert (asked.value.trigger_dag_id, asked.value.dag_run_id) == ("parquet_to_qserv", DUE.run_id)
    assert asked.value.conf == {"endpoint": "frdf", "release": "dp1"}
    assert asked.value.skip_when_already_exists
    assert not asked.value.reset_dag_run
