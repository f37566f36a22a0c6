"""Runs of a DAG on a real Airflow, followed as an operator's tool does."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from sandbox import rest

WITHIN_S = 420
"""How long a run may take where nothing else is said: three times what it takes on a machine that is full."""


@contextmanager
def no_slots(night, pool):
    """Let no task of a pool begin meanwhile: runs are made, and get nowhere."""
    api = f"{night.env['DBB_AIRFLOW_URL']}/api/v2/pools/{pool}"
    before = rest.call("GET", api, token=night.token())
    kept = {key: before[key] for key in ("name", "slots", "description", "include_deferred")}
    rest.call("PATCH", api, body=kept | {"slots": 0}, token=night.token())
    try:
        yield
    finally:
        rest.call("PATCH", api, body=kept, token=night.token())


class Runs:
    """Follow the runs of a DAG by the REST interface, as an operator's tool does."""

    def __init__(self, night, dag="repair"):
        self.night = night
        self.api = f"{night.env['DBB_AIRFLOW_URL']}/api/v2/dags/{dag}"
        night._await_dag(self.api, night.token())

    def call(self, method, path, body=None):
        return rest.call(method, f"{self.api}{path}", body=body, token=self.night.token())

    def trigger(self, **conf):
        run = self.call("POST", "/dagRuns", {"logical_date": None, "conf": conf})
        return f"/dagRuns/{quote(run['dag_run_id'], safe='')}"

    def question(self):
        """Wait until a run, the clock's or ours, asks a person; give its path and what it asks."""
        path = "/dagRuns/~/hitlDetails?response_received=false&limit=10"
        (asked,) = self._until(lambda: self.call("GET", path)["hitl_details"], WITHIN_S)
        run = quote(asked["task_instance"]["dag_run_id"], safe="")
        return f"/dagRuns/{run}", asked

    def answer(self, run, option):
        """Answer when the scheduler has seen that the task waits: one answered sooner would be run twice."""
        path = f"{run}/taskInstances/ask_a_person"
        self._until(lambda: self._is_seen_to_wait(path), WITHIN_S)
        self.call(
            "PATCH", f"{path}/-1/hitlDetails", {"chosen_options": [option], "params_input": {}}
        )

    def _is_seen_to_wait(self, path):
        task = self.call("GET", path)
        words = (f"'{task['dag_run_id']}'", "'ask_a_person'", f"try_number={task['try_number']},")
        log = self.night.layout.log("airflow-scheduler").read_text(errors="replace")
        return task["state"] in ("awaiting_input", "deferred") and any(
            "Received executor event with state success" in line
            and all(word in line for word in words)
            for line in log.splitlines()
        )

    def end(self, run, seconds=WITHIN_S):
        """Wait for the end of a run; give the states of its tasks."""
        over = ("success", "failed")
        self._until(lambda: self.call("GET", run)["state"] in over, seconds)
        tasks = self.call("GET", f"{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in tasks}

    def log(self, run, task):
        """Give what a task of a run wrote, all tries."""
        tries = self.call("GET", f"{run}/taskInstances/{task}")["try_number"]
        return "\n".join(
            json.dumps(self.call("GET", f"{run}/taskInstances/{task}/logs/{number}"))
            for number in range(1, tries + 1)
        )

    def quiet(self):
        """Wait until no run of the clock's is going on or about to."""
        self._until(lambda: not self.are_going_on(), WITHIN_S)

    def are_going_on(self):
        """Say whether a run is going on or about to."""
        path = "/dagRuns?state=running&state=queued&limit=1"
        return bool(self.call("GET", path)["dag_runs"])

    def _until(self, ask, seconds):
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            if found := ask():
                return found
            time.sleep(1)
        pytest.fail(f"not within {seconds} s: {self._tell()}")

    def _tell(self):
        """Say how the newest runs and those of their tasks stand that have not ended well."""
        found = self.call("GET", "/dagRuns?order_by=-run_after&limit=5")["dag_runs"]
        told = {}
        for run in found:
            path = f"/dagRuns/{quote(run['dag_run_id'], safe='')}/taskInstances?limit=100"
            tasks = self.call("GET", path)["task_instances"]
            told[run["dag_run_id"]] = {"": run["state"]} | {
                task["task_id"]: task["state"] for task in tasks if task["state"] != "success"
            }
        return json.dumps(told, indent=1)
