"""Run Airflow's four processes."""

from __future__ import annotations

import json
import urllib.error
from datetime import datetime
from typing import Any, ClassVar

from sandbox import rest
from sandbox.client_env import AIRFLOW_USER
from sandbox.errors import SandboxError
from sandbox.services.airflow_home import AirflowHome


class AirflowProcess(AirflowHome):
    """Share command line and readiness between Airflow's processes."""

    needs: ClassVar[tuple[str, ...]] = ("postgres", "rucio")
    asks: ClassVar[tuple[str, ...]] = ("airflow-api",)
    ready_within_s = 240
    stop_grace_s = 20
    arguments: ClassVar[tuple[str, ...]]
    # How GET /monitor/health calls the process.
    health_key: ClassVar[str] = ""

    def command(self) -> list[str]:
        """Give ``airflow`` and the process's own words."""
        return [str(self.layout.venv / "bin" / "airflow"), *self.arguments]

    def is_ready(self) -> bool:
        """Ask the API server whether this process has sent its heartbeat since it was started."""
        try:
            health = rest.call("GET", f"{self.api()}/api/v2/monitor/health", timeout_s=5)
        except (OSError, ValueError):
            return False
        mine = health[self.health_key]
        heartbeat = mine[f"latest_{self.health_key}_heartbeat"]
        if mine["status"] != "healthy" or heartbeat is None:
            return False
        # The heartbeat of an earlier process looks healthy for half a minute.
        started_s = self.layout.run_file(self.name).stat().st_mtime
        return datetime.fromisoformat(heartbeat).timestamp() > started_s

    def address(self) -> str:
        """Say that the process is reached through the API server only."""
        return "-"


class AirflowApi(AirflowProcess):
    """Serve the pages, the public API and the interface through which tasks report."""

    name = "airflow-api"
    asks = ()
    ports = ("airflow_api", "airflow_logs", "airflow_trigger_logs")
    arguments = ("api-server",)

    def is_ready(self) -> bool:
        """Ask for the version, which needs no database heartbeat of the other processes."""
        return rest.answers(f"{self.api()}/api/v2/version", timeout_s=5)

    def after_ready(self) -> None:
        """Warm up the interface for tasks, then create the pools.

        The interface is built at its first call (7 s); a first task that waits for it may give up.
        """
        rest.answers(f"{self.api()}/execution/health/ping", timeout_s=120)
        pools: dict[str, dict[str, Any]] = json.loads(
            (self.layout.root / "include" / "pools.json").read_text()
        )
        entities = [{"name": name, **pool} for name, pool in pools.items()]
        action = {"action": "create", "entities": entities, "action_on_existence": "overwrite"}
        try:
            rest.call(
                "PATCH",
                f"{self.api()}/api/v2/pools",
                body={"actions": [action]},
                token=self.token(),
            )
        except urllib.error.HTTPError as error:
            raise SandboxError(
                f"The pools were refused: {error.read().decode(errors='replace')}",
                where="include/pools.json",
                next_action="Correct the file and run `./sandbox up` again.",
            ) from error

    def token(self) -> str:
        """Log in as the administrator."""
        login = {"username": AIRFLOW_USER, "password": self.allotted.secret("airflow_admin")}
        answer = rest.call("POST", f"{self.api()}/auth/token", body=login)
        return str(answer["access_token"])

    def address(self) -> str:
        """Give the URL of the pages."""
        return self.api()


class Scheduler(AirflowProcess):
    """Decide what runs, and run it or hand it to workers."""

    name = "airflow-scheduler"
    # A task started before the API server answers would wait for it, and may give up.
    # With a CeleryExecutor it hands tasks to Redis; a sandbox without one has no such service.
    needs = ("airflow-api", "redis")
    arguments = ("scheduler",)
    health_key = "scheduler"


class DagProcessor(AirflowProcess):
    """Parse the DAG files."""

    name = "airflow-dag-processor"
    arguments = ("dag-processor",)
    health_key = "dag_processor"


class Triggerer(AirflowProcess):
    """Wait on behalf of deferred tasks."""

    name = "airflow-triggerer"
    # It would wait ten seconds for its own child; triggers live in the database, so none is lost.
    stop_grace_s = 2
    arguments = ("triggerer",)
    health_key = "triggerer"
