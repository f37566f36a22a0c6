"""DAGs of a running sandbox that are kept from running, where a test does their work by itself.

All DAGs run by their clocks in a sandbox with Airflow, which the tests of a session share: the canary's next run
would end one that a test lets fly, and a repair would mend what a test has just damaged.
"""

from __future__ import annotations

import contextlib
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox import rest
from sandbox.layout import Layout
from sandbox.night import Night
from support.dag_runs import WITHIN_S, Runs

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def held(sandbox, *files):
    """Hold the DAGs of files, `repair` or `scrub`, when the runs that are going on have ended.

    Without Airflow there is nothing to hold.
    """
    if "airflow-scheduler" not in sandbox.running():
        yield
        return
    with contextlib.ExitStack() as before:
        for dag in _dags_of(sandbox, files):
            runs = _runs(sandbox, dag)
            before.enter_context(_as_it_was(runs))
            _hold(runs)
        yield


@contextmanager
def paused(sandbox, dag):
    """Pause a DAG, whatever it is at."""
    runs = _runs(sandbox, dag)
    with _as_it_was(runs):
        runs.call("PATCH", "", {"is_paused": True})
        yield


def _dags_of(sandbox, files):
    """Name the DAGs that files make, once Airflow has read them all."""
    night = _night(sandbox)
    end_s = time.monotonic() + WITHIN_S
    while time.monotonic() < end_s:
        api = f"{night.env['DBB_AIRFLOW_URL']}/api/v2/dags?limit=100"
        dags = rest.call("GET", api, token=night.token())["dags"]
        found = {dag["dag_id"]: Path(dag["fileloc"]).stem for dag in dags}
        if set(files) <= set(found.values()):
            return sorted(dag for dag, file in found.items() if file in files)
        time.sleep(1)
    pytest.fail(f"Airflow does not know {set(files) - set(found.values())}")


def _night(sandbox):
    return Night(Layout(root=ROOT, state=sandbox.state), print, "20250101")


def _runs(sandbox, dag):
    return Runs(_night(sandbox), dag)


@contextmanager
def _as_it_was(runs):
    was_paused = runs.call("GET", "")["is_paused"]
    try:
        yield
    finally:
        runs.call("PATCH", "", {"is_paused": was_paused})


def _hold(runs):
    end_s = time.monotonic() + WITHIN_S
    while time.monotonic() < end_s:
        runs.quiet()
        runs.call("PATCH", "", {"is_paused": True})
        if not runs.are_going_on():
            return
        runs.call("PATCH", "", {"is_paused": False})  # one had begun, and would never end
    pytest.fail(f"{runs.api} is never at rest")
