"""Asking Airflow for connections from where it does not run: commands, which have results on their stdout."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

WHERE_COMMANDS_LOOK = (
    "a command looks for AIRFLOW_CONN_… and into [secrets] backend of $AIRFLOW_HOME/airflow.cfg, never into"
    " Airflow's database"
)


def is_inside_airflow() -> bool:
    """Say whether a supervisor answers questions for connections here: in a task or a trigger."""
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    return getattr(runner, "SUPERVISOR_COMMS", None) is not None


@contextlib.contextmanager
def beside_results() -> Iterator[None]:
    """Have Airflow write to stderr what it tells of itself while it is loaded and asked.

    It takes Python's logging over at its import and writes to stdout, where a JSON document would end as none.
    In Airflow's own processes nothing is changed.
    """
    if is_inside_airflow() or "_AIRFLOW_PROCESS_CONTEXT" in os.environ:
        yield
        return
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with contextlib.redirect_stdout(sys.stderr):
        try:
            yield
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
