"""Choose how Airflow runs tasks: on this machine, or through a queue to Celery's workers."""

from __future__ import annotations

from sandbox import sites
from sandbox.errors import SandboxError
from sandbox.layout import Layout

EXECUTORS = {"local": "LocalExecutor", "celery": "CeleryExecutor"}
"""What ``./sandbox up --executor`` takes, and what Airflow calls it."""


def executor_env(layout: Layout) -> dict[str, str]:
    """Give what workers and those who read DAG files must agree on: the queue of an endpoint."""
    if layout.executor() != "celery":
        return {}
    return {f"DBB_QUEUE_{sites.WORKER_OF_ITS_OWN}": sites.WORKER_OF_ITS_OWN.lower()}


def keep_executor(layout: Layout, wanted: str, *, airflow_runs: bool) -> None:
    """Decide how tasks run from the next start of Airflow on.

    Raises
    ------
    SandboxError
        If Airflow runs with another one at this moment.
    """
    if wanted == layout.executor():
        return
    if airflow_runs:
        raise SandboxError(
            f"Airflow runs with the {EXECUTORS[layout.executor()]}",
            where=str(layout.state),
            next_action=f"Run `./sandbox down`, then `./sandbox up --executor {wanted}`.",
        )
    layout.make()
    layout.executor_file.write_text(f"{wanted}\n")
