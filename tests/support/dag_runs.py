"""Runs of a DAG on a real Airflow, followed as an operator's tool does."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from sandbox import rest


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
        (asked,) = self._until(lambda: self.call("GET", path)["hitl_details"], 240)
        run = quote(asked["task_instance"]["dag_run_id"], safe="")
        return f"/dagRuns/{run}", asked

    def answer(self, run, option):
        time.sleep(3)  # the scheduler must have seen that the task waits; nobody answers sooner
        path = f"{run}/taskInstances/ask_a_person/-1/hitlDetails"
        self.call("PATCH", path, {"chosen_options": [option], "params_input": {}})

    def end(self, run, seconds=240):
        """Wait for the end of a run; give the states of its tasks."""
        over = ("success", "failed")
        self._until(lambda: self.call("GET", run)["state"] in over, seconds)
        tasks = self.call("GET", f"{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in tasks}

    def _until(self, ask, seconds):
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            if found := ask():
                return found
            time.sleep(1)
        pytest.fail(f"not within {seconds} s")
