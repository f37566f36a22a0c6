"""Operators that meet a backbone in memory."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import pytest

import dbb.operators.archive as archive_steps
import dbb.operators.arrivals as first_steps
import dbb.operators.endpoints as endpoint_steps
import dbb.operators.report as last_steps
import dbb.operators.sweeping as sweep_steps
from dbb.operators import backbone_operator
from support.world import World


@pytest.fixture
def world():
    return World()


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch, world):
    def open_for_run(context):
        assert context["run_id"]
        return world.backbone()

    steps = (archive_steps, first_steps, endpoint_steps, last_steps, sweep_steps)
    for module in (backbone_operator, *steps):
        if hasattr(module, "open_for_run"):
            monkeypatch.setattr(module, "open_for_run", open_for_run)


class Event(SimpleNamespace):
    """Stand for Airflow's accessor of an outlet's events."""

    def add_partitions(self, keys):
        self.keys = keys


@pytest.fixture
def context():
    return {
        "run_id": "manual__test",
        "dag_run": SimpleNamespace(partition_key="20261121", run_type="scheduled", conf={}),
        "dag": SimpleNamespace(params={"day_obs": None, "patience_s": 0}),
        "params": {"day_obs": None, "patience_s": 0},
        "outlet_events": defaultdict(Event),
    }
