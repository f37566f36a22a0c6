"""Make a synthetic night at the summit and have Airflow move it: the sandbox's main job."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from sandbox import rest
from sandbox.envfile import read_env
from sandbox.errors import SandboxError
from sandbox.layout import Layout

DAG = "raw_transfer"
RUN_WITHIN_S = 3600
POLL_S = 3

Say = Callable[[str], None]


def last_night() -> str:
    """Name the observing day that ended last (its noon-to-noon is over, whatever the hour)."""
    return (datetime.now(UTC) - timedelta(hours=36)).strftime("%Y%m%d")


class Night:
    """Work with one observing night of a running sandbox.

    Parameters
    ----------
    layout
        The project and the sandbox's state.
    say
        Prints one line.
    day_obs
        The night, as ``YYYYMMDD``.
    """

    def __init__(self, layout: Layout, say: Say, day_obs: str) -> None:
        self.layout = layout
        self.say = say
        self.day_obs = day_obs
        self.env = read_env(layout.env_file)

    def prepare(self) -> None:
        """Make the ledger and the Butler repositories, where they are missing."""
        self.run_python("sandbox.prepare")

    def make(self, options: Sequence[str]) -> None:
        """Write the night's files into the summit's store."""
        root = url2pathname(urlsplit(self.env["DBB_STORE_SUMMIT"]).path)
        plan = self.layout.state / f"night-{self.day_obs}.plan.json"
        self.say(f"making the night {self.day_obs} in {root} …")
        words = ["make", root, "--day-obs", self.day_obs, "--plan", str(plan), *options]
        self.run_python("sandbox.synthetic_night", *words)

    def transfer(self) -> None:
        """Trigger the DAG for the night and follow it to its end."""
        api = f"{self.env['DBB_AIRFLOW_URL']}/api/v2/dags/{DAG}"
        token = self.token()
        self._await_dag(api, token)
        run = rest.call(
            "POST",
            f"{api}/dagRuns",
            body={"logical_date": None, "partition_key": self.day_obs},
            token=token,
        )
        url = f"{api}/dagRuns/{quote(run['dag_run_id'], safe='')}"
        self.say(f"DAG {DAG} runs for {self.day_obs}:")
        state = self._follow(url, token)
        if state != "success":
            raise SandboxError(
                f"The run of {DAG} ended as {state}",
                where=f"{self.env['DBB_AIRFLOW_URL']}/dags/{DAG}/runs/{run['dag_run_id']}",
                next_action="Open the red task's log there.",
            )

    def verdict(self) -> int:
        """Print the night's verdict; give the exit code of ``dbb night``."""
        return self.run_python("dbb", "night", self.day_obs, check=False)

    def run_python(self, module: str, *words: str, check: bool = True) -> int:
        """Run a module of the project with the sandbox's variables."""
        command = [str(self.layout.venv / "bin" / "python"), "-m", module, *words]
        code = subprocess.run(command, env=self._environment(), check=False).returncode
        if check and code:
            raise SandboxError(
                f"{module} ended with code {code}",
                where=" ".join(words),
                next_action="Its own message stands above.",
            )
        return code

    def _environment(self) -> Mapping[str, str]:
        path = os.pathsep.join(str(self.layout.root / each) for each in ("plugins", "include"))
        return {**os.environ, **self.env, "PYTHONPATH": path}

    def token(self) -> str:
        """Log in to Airflow."""
        login = {
            "username": self.env["DBB_AIRFLOW_USER"],
            "password": self.env["DBB_AIRFLOW_PASSWORD"],
        }
        answer = rest.call("POST", f"{self.env['DBB_AIRFLOW_URL']}/auth/token", body=login)
        return str(answer["access_token"])

    def _await_dag(self, api: str, token: str) -> None:
        """Wait until the DAG processor has read the file."""
        end_s = time.monotonic() + 120
        while time.monotonic() < end_s:
            try:
                rest.call("GET", api, token=token)
            except HTTPError as error:
                if error.code != 404:
                    raise
                time.sleep(1)
            else:
                return
        raise SandboxError(
            f"Airflow does not know the DAG {DAG}",
            where=str(self.layout.log("airflow-dag-processor")),
            next_action="Look there for an import error.",
        )

    def _follow(self, url: str, token: str) -> str:
        shown = ""
        end_s = time.monotonic() + RUN_WITHIN_S
        while time.monotonic() < end_s:
            state = str(rest.call("GET", url, token=token)["state"])
            line = self._progress(f"{url}/taskInstances", token)
            if line != shown:
                self.say(f"  {line}")
                shown = line
            if state in ("success", "failed"):
                return state
            time.sleep(POLL_S)
        return "unfinished after an hour"

    def _progress(self, url: str, token: str) -> str:
        """Say in one line how far a run is, and what it works on."""

        def ask(*states: str) -> dict[str, Any]:
            # Airflow gives at most 100 rows a page, and the number of all.
            query = "&".join(("limit=100", *(f"state={state}" for state in states)))
            answer: dict[str, Any] = rest.call("GET", f"{url}?{query}", token=token)
            return answer

        def names(answer: dict[str, Any]) -> str:
            found = {task["task_id"].rsplit(".", 1)[-1] for task in answer["task_instances"]}
            return ", ".join(sorted(found))

        done = ask("success", "skipped")["total_entries"]
        line = f"{done} of {ask()['total_entries']} tasks done"
        if busy := names(ask("running", "deferred")):
            line += f"; now {busy}"
        if again := names(ask("up_for_retry")):
            line += f"; to be tried again {again}"
        if failed := names(ask("failed")):
            line += f"; FAILED {failed}"
        return line
