"""Airflow's cluster policy: earlier nights never take a slot from tonight, and no process tells a secret.

Airflow imports this file by its name from the plugins folder, in each of its processes; in the
scheduler that is before the processes of tasks are forked from it, hence the imports below.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbb.operators.hiding import hide_from_airflow, hide_in_own_lines
from dbb.preload import preload_in_scheduler
from dbb.secrecy import guard_logs

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance

TONIGHTS_POOL = "raw"
CATCHUP_POOL = "catchup"

guard_logs(os.environ)
hide_from_airflow()
preload_in_scheduler()


def configure_action_logging() -> None:
    """Conceal what this process writes; Airflow calls it when its logging is set up."""
    hide_in_own_lines()


def task_instance_mutation_hook(task_instance: TaskInstance, dag_run: DagRun | None) -> None:
    """Move a backfill's tasks from the pool of tonight's exposures to that of earlier nights.

    Parameters
    ----------
    task_instance
        What Airflow is about to create or to run again.
    dag_run
        Its run, where Airflow has it at hand; a backfill's ``run_id`` tells it otherwise.
    """
    run_id = task_instance.run_id or ""
    is_backfill = run_id.startswith("backfill__") or (
        dag_run is not None and dag_run.run_type == "backfill"
    )
    if is_backfill and task_instance.pool == TONIGHTS_POOL:
        task_instance.pool = CATCHUP_POOL
