"""Asking a person before much is taken away: only curators may answer."""

from __future__ import annotations

import datetime as dt

from airflow.providers.standard.operators.hitl import ApprovalOperator

from dbb.settings import Settings


def ask_a_curator(
    subject: str, body: str, within: dt.timedelta, task_id: str = "ask_a_person"
) -> ApprovalOperator:
    """Make the step that waits until somebody has read the plan and approved or rejected it.

    Parameters
    ----------
    subject, body
        The question, and the plan.
    within
        How long the answer may take; without one nothing is done.
    task_id
        The step's name.
    """
    curators = [{"id": user, "name": name} for user, name in Settings.load().curators]
    return ApprovalOperator(
        task_id=task_id,
        subject=subject,
        body=body,
        response_timeout=within,
        assigned_users=curators or None,
    )
