"""Run Celery workers: one for all that has no place of its own, one at an endpoint."""

from __future__ import annotations

import os
import sys
from typing import ClassVar

from sandbox import sites
from sandbox.services.airflow import AirflowProcess


class CeleryWorker(AirflowProcess):
    """Run the tasks of one queue; what it needs of Airflow's is the API server and Redis."""

    needs: ClassVar[tuple[str, ...]] = ("airflow-api", "redis")
    asks: ClassVar[tuple[str, ...]] = ()
    # The time that a task may take to end in order.
    stop_grace_s = 30
    queue: ClassVar[str]

    def command(self) -> list[str]:
        """Serve one queue, with a name and a file of its own beside those of the other worker."""
        pid_file = self.layout.data("airflow") / f"{self.name}.pid"
        words = ["celery", "worker", "--queues", self.queue, "--celery-hostname", self.queue]
        # The sandbox has one machine: the scheduler's log server shows these tasks' logs as well.
        words += ["--skip-serve-logs", "--pid", str(pid_file)]
        return [str(self.layout.venv / "bin" / "airflow"), *words]

    @property
    def _begin(self) -> str:
        return f"--- {self.name} begins ---\n"

    def prepare(self) -> None:
        """Mark in the log where this start begins: Celery says there when it is ready."""
        super().prepare()
        with self.layout.log(self.name).open("a") as log:
            log.write(self._begin)

    def is_ready(self) -> bool:
        """Look whether the worker has said since its start that it takes tasks."""
        log = self.layout.log(self.name)
        said = log.read_text(errors="replace").rpartition(self._begin)[2] if log.exists() else ""
        return self.is_running() and f"{self.queue} ready." in said

    def address(self) -> str:
        """Name the queue."""
        return f"queue {self.queue}"


class Worker(CeleryWorker):
    """Stand at the archive, and do what has no place."""

    name = "airflow-worker"
    queue = "default"


class EndpointWorker(CeleryWorker):
    """Stand at one endpoint: whatever its store is read or written by.

    With ``DBB_SANDBOX_OWN_NETWORK`` it has a network of its own, as a machine elsewhere has: what it
    reaches is Airflow's API server, the queue, the databases and Rucio. Only root can give it one.
    """

    reaches = ("airflow_api", "redis", "postgres", "rucio")

    name = f"airflow-worker-{sites.WORKER_OF_ITS_OWN.lower()}"
    queue = sites.WORKER_OF_ITS_OWN.lower()

    def command(self) -> list[str]:
        """Serve its queue, in a network of its own where that is wanted."""
        command = super().command()
        if not os.environ.get("DBB_SANDBOX_OWN_NETWORK"):
            return command
        ports = ",".join(str(self.allotted.port(name)) for name in self.reaches)
        return [sys.executable, "-m", "sandbox.own_network", "--allow", ports, "--", *command]
