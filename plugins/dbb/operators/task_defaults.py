"""What all tasks of a DAG have in common: pool, priority, time limit, retries."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Any

from airflow.sdk import WeightRule

from dbb.operators.hiding import hide_from_airflow
from dbb.operators.run_keys import refuse_unknown_keys
from dbb.retry import RETRY_POLICY

if TYPE_CHECKING:
    from airflow.sdk import Context

BACKGROUND = 10
"""Steps of DAGs that weigh less than this leave the processor to all others."""
NICENESS = 15
"""By how much: where cores are short such a step gets a twenty-eighth of what another one gets."""


def prepare_step(context: Context) -> None:
    """Hide secrets, refuse what the run was given and nobody reads, take the processor's time by priority.

    Pools and priorities decide what begins. What runs shares the cores, and there an earlier night would
    delay tonight.

    Raises
    ------
    UnknownParameter
        If the run has a parameter that its DAG does not know.
    """
    hide_from_airflow()
    refuse_unknown_keys(context)
    if context["task"].priority_weight < BACKGROUND:
        os.nice(NICENESS)


def task_defaults(*, priority: int, retries: int) -> dict[str, Any]:
    """Give the ``default_args`` of a DAG that moves raw exposures.

    Parameters
    ----------
    priority
        Weight of the first step. Later steps weigh more, so that a chunk that was begun is
        finished before the next one is begun.
    retries
        How often a transient failure is tried again: after 5 s, 10 s, 20 s, … up to 5 min.
    """
    return {
        "owner": "data backbone",
        "pool": "raw",
        "priority_weight": priority,
        "weight_rule": WeightRule.UPSTREAM,
        "execution_timeout": dt.timedelta(hours=1),
        "retries": retries,
        "retry_delay": dt.timedelta(seconds=5),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": dt.timedelta(minutes=5),
        "retry_policy": RETRY_POLICY,
        "pre_execute": prepare_step,
    }
