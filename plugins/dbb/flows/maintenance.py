"""Maintenance: drain, hold, resume, with nothing lost.

While it lasts every DAG of the backbone is paused, so that Airflow starts nothing. What runs ends by
itself; what waits (deferred tasks, queued runs, events in the inbox) waits on. Which DAGs ran before is
recorded before the first is paused, so that whoever resumes, also after a crash, starts those and no
other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dbb.errors import DrainUnfinished

NEVER_HELD = frozenset({"maintenance", "alarm_watch"})
"""What drains and resumes, and what tells people when a maintenance was forgotten."""
LOOK_AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Working:
    """Name a task that Airflow has begun, or is about to begin."""

    dag_id: str
    run_id: str
    task_id: str
    state: str

    def __str__(self) -> str:
        return f"{self.task_id} of {self.dag_id} ({self.state})"


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Say when nothing was started.

    Parameters
    ----------
    number, begun_at, begun_by, reason
        Which, since when (UTC), at whose word and why.
    dags
        What runs again afterwards.
    ended_at, ended_by
        Until when and at whose word; None and empty while it lasts.
    """

    number: int
    begun_at: dt.datetime
    begun_by: str
    reason: str
    dags: tuple[str, ...]
    ended_at: dt.datetime | None = None
    ended_by: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give the fields as they stand in a document."""
        return {
            "number": self.number,
            "begun_at": self.begun_at.isoformat(timespec="seconds"),
            "begun_by": self.begun_by,
            "reason": self.reason,
            "dags": list(self.dags),
            "ended_at": self.ended_at and self.ended_at.isoformat(timespec="seconds"),
            "ended_by": self.ended_by,
        }


def maintenance_document(lasts: Maintenance | None, working: Sequence[Working]) -> dict[str, Any]:
    """Say what is held, by whom, and what still runs, as a document of schema ``dbb-maintenance/1``."""
    return {
        "schema": "dbb-maintenance/1",
        "maintenance": lasts and lasts.to_json(),
        "working": [str(each) for each in working],
    }


class Scheduling(Protocol):
    """Start DAGs or hold them: Airflow."""

    def dags(self) -> dict[str, bool]:
        """Say of each DAG of the backbone whether it is paused."""

    def pause(self, dag_id: str) -> None:
        """Start no task of a DAG from now on."""

    def unpause(self, dag_id: str) -> None:
        """Start the tasks of a DAG again."""

    def working(self) -> list[Working]:
        """List the tasks of the backbone that run or are handed to a worker."""


class MaintenanceRows(Protocol):
    """Remember maintenances: the ledger's database."""

    def begin(self, reason: str) -> None:
        """Record a new one, unless one lasts."""

    def newest(self, most: int) -> list[Maintenance]:
        """Read the newest, the last first."""

    def hold(self, number: int, dags: Sequence[str]) -> None:
        """Record what runs again afterwards; again is nothing."""

    def end(self, number: int) -> None:
        """Record the end; again is nothing."""


def lasting(rows: MaintenanceRows) -> Maintenance | None:
    """Give the maintenance that lasts, or None."""
    newest = rows.newest(1)
    return newest[0] if newest and newest[0].ended_at is None else None


def drain(
    scheduling: Scheduling,
    rows: MaintenanceRows,
    reason: str,
    within_s: float,
    sleep: Callable[[float], None],
    tell: Callable[[Sequence[Working]], None] = lambda _: None,
) -> Maintenance:
    """Hold every DAG, and wait until nothing runs; again goes on where it was.

    Parameters
    ----------
    scheduling, rows
        Airflow, and the ledger's database.
    reason
        Why, for the record.
    within_s
        How long to wait for what runs, in seconds.
    sleep
        Lets time pass, in seconds.
    tell
        Is told of what still runs, at each look.

    Raises
    ------
    DrainUnfinished
        If something still runs after that time. Nothing new is started all the same.
    """
    rows.begin(reason)
    maintenance = _hold(scheduling, rows)
    waited_s = 0.0
    while working := others(scheduling):
        tell(working)
        if waited_s >= within_s:
            raise DrainUnfinished.for_tasks([str(each) for each in working], within_s)
        sleep(LOOK_AGAIN_S)
        waited_s += LOOK_AGAIN_S
    return maintenance


def others(scheduling: Scheduling) -> list[Working]:
    """List what still runs, beside what is never held."""
    return [each for each in scheduling.working() if each.dag_id not in NEVER_HELD]


def _hold(scheduling: Scheduling, rows: MaintenanceRows) -> Maintenance:
    """Record what runs now, then pause it."""
    number = rows.newest(1)[0].number
    running = [
        dag_id
        for dag_id, is_paused in sorted(scheduling.dags().items())
        if not is_paused and dag_id not in NEVER_HELD
    ]
    rows.hold(number, running)
    for dag_id in running:
        scheduling.pause(dag_id)
    return rows.newest(1)[0]


def resume(scheduling: Scheduling, rows: MaintenanceRows) -> Maintenance | None:
    """Start again what ran before, and nothing else; None where no maintenance lasts.

    A call that was cut short is made again: it goes on where it was.
    """
    maintenance = lasting(rows)
    if maintenance is None:
        return None
    known = scheduling.dags()
    for dag_id in maintenance.dags:
        if known.get(dag_id):  # one that was taken out of Airflow meanwhile is no more
            scheduling.unpause(dag_id)
    rows.end(maintenance.number)
    return rows.newest(1)[0]
