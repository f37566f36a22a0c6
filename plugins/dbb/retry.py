"""What Airflow does after an error: decided once, by the error's family.

========================  =====================================================================
``Transient``             again, after a delay that doubles
``Damaged``               never: a second look finds the same bytes
``BrokenContract``        never: upstream must mend it
``OverBudget``            never: a person decides
``Misconfigured``         never: a person mends the installation
anything else             again: a killed worker, a lost connection, a time-out
========================  =====================================================================
"""

from __future__ import annotations

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from dbb.errors import BrokenContract, Damaged, Misconfigured, OverBudget, Transient

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(Transient, RetryAction.RETRY, reason="time is expected to mend it"),
        RetryRule(Damaged, RetryAction.FAIL, reason="the bytes stay what they are"),
        RetryRule(BrokenContract, RetryAction.FAIL, reason="upstream must mend it"),
        RetryRule(OverBudget, RetryAction.FAIL, reason="a person decides"),
        RetryRule(Misconfigured, RetryAction.FAIL, reason="the installation must be mended"),
    ],
    default=RetryAction.DEFAULT,
)
"""The delay is the task's own: see ``dbb.operators.task_defaults``."""
