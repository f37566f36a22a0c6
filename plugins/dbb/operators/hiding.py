"""Hiding the secrets of the environment from Airflow's own log, which does not go through Python's logging.

What Airflow itself writes of a task (its error with the whole trace, what it prints) is written by the task's
supervisor, which forgets before each task what it was told to hide: every task tells it again. What Airflow's
processes write of themselves, and ``airflow dags test`` of a task, nobody hides: there the finished line is looked at.
"""

from __future__ import annotations

from typing import Any

from dbb.secrecy import conceal, hidden


def hide_from_airflow() -> None:
    """Name to Airflow what is hidden: in this process, and in a task's supervisor."""
    from airflow.sdk.log import mask_secret  # noqa: PLC0415 - not while Airflow's settings are read

    mask_secret(list(hidden()))


class ConcealingRenderer:
    """Write lines as another renderer does, without our secrets and those that Airflow was told of."""

    def __init__(self, render: Any) -> None:
        self._render = render

    def __call__(self, logger: Any, method: str, event: Any) -> str | bytes:
        """Render an event."""
        line: str | bytes = self._render(logger, method, event)
        if isinstance(line, bytes):
            return _conceal(line.decode(errors="surrogateescape")).encode(errors="surrogateescape")
        return _conceal(line)


def hide_in_own_lines() -> None:
    """Conceal each line that this process of Airflow writes by structlog; again is no-op."""
    import structlog  # noqa: PLC0415 - Airflow's, and nobody else's

    *before, render = structlog.get_config()["processors"]
    if not isinstance(render, ConcealingRenderer):
        structlog.configure(processors=[*before, ConcealingRenderer(render)])


def _conceal(line: str) -> str:
    from airflow.sdk.log import mask_logs  # noqa: PLC0415 - not while Airflow's settings are read

    return conceal(str(mask_logs(None, "", {"event": line})["event"]))
