"""What all tasks of a DAG have in common: pool, priority, time limit, retries."""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow.sdk import WeightRule

from dbb.retry import RETRY_POLICY


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
    }
