"""Catching up: what nights still have to bring, how long it will take, and how far it has come.

The runs are Airflow's backfill of the DAG that closes a night, in a pool that tonight never uses. How
far a night is, the ledger says, not Airflow: a run can end well and leave an exposure that waits for a
person.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dbb.flows.arrivals import is_finished
from dbb.flows.backbone import Backbone
from dbb.flows.night import night_report
from dbb.flows.verdict import Verdict
from dbb.model.day_obs import DayObs

DAG_ID = "raw_transfer"
"""The DAG that closes a night, and is backfilled."""
LOOK_BACK = dt.timedelta(days=30)
"""How old the hours may be from which the speed is taken."""


@dataclass(frozen=True, slots=True)
class NightWork:
    """Say what a night still has to bring.

    Parameters
    ----------
    day_obs
        The night.
    exposures, size_bytes
        Those of it that are not yet published and released, also those that the ledger has not seen.
    unseen
        How many of them the ledger has not seen.
    """

    day_obs: DayObs
    exposures: int
    size_bytes: int
    unseen: int


@dataclass(frozen=True, slots=True)
class Speed:
    """Say what the archive published within one hour, the best of those looked at."""

    exposures_per_h: int
    bytes_per_h: int


@dataclass(frozen=True)
class CatchUpPlan:
    """Hold what catching up would do.

    Parameters
    ----------
    nights
        The nights, in order, also those with nothing left.
    speed
        What the backbone did in its best hour lately; None where it did nothing.
    as_of
        When it was looked at (UTC).
    """

    nights: tuple[NightWork, ...]
    speed: Speed | None
    as_of: dt.datetime

    @property
    def exposures(self) -> int:
        """Count what is left."""
        return sum(night.exposures for night in self.nights)

    @property
    def size_bytes(self) -> int:
        """Sum the bytes of what is left."""
        return sum(night.size_bytes for night in self.nights)

    @property
    def expected_end(self) -> dt.datetime | None:
        """Say when it will have ended at the speed of the best hour; None where that is unknown."""
        if self.speed is None:
            return None
        hours = self.exposures / self.speed.exposures_per_h
        if self.speed.bytes_per_h:
            hours = max(hours, self.size_bytes / self.speed.bytes_per_h)
        return self.as_of + dt.timedelta(hours=hours)

    def to_json(self) -> dict[str, Any]:
        """Give the plan as a document."""
        end = self.expected_end
        return {
            "schema": "dbb-catchup-plan/1",
            "as_of": self.as_of.isoformat(timespec="seconds"),
            "nights": [
                {"day_obs": int(n.day_obs), "exposures": n.exposures, "bytes": n.size_bytes}
                for n in self.nights
            ],
            "exposures": self.exposures,
            "bytes": self.size_bytes,
            "best_hour": self.speed
            and {"exposures": self.speed.exposures_per_h, "bytes": self.speed.bytes_per_h},
            "expected_end": end and end.isoformat(timespec="seconds"),
        }


@dataclass(frozen=True, slots=True)
class Backfill:
    """Hold one of Airflow's backfills: the partitions between two times."""

    number: int
    dag_id: str
    begin: dt.datetime
    end: dt.datetime
    is_paused: bool
    completed_at: dt.datetime | None

    @property
    def nights(self) -> list[DayObs]:
        """List the nights that it covers: a night counts by its own date at 12:30 UTC."""
        return [
            day
            for day in DayObs.range(_day(self.begin), _day(self.end))
            if self.begin <= closing_of(day) <= self.end
        ]

    @property
    def state(self) -> str:
        """Say how it stands, in a word."""
        if self.completed_at is not None:
            return "ended"
        return "paused" if self.is_paused else "running"


@dataclass(frozen=True)
class Progress:
    """Say how far the nights of a backfill are, by the ledger's verdict.

    Parameters
    ----------
    backfill
        Which.
    verdicts
        By night; one with exposures that the ledger has not seen is waiting.
    """

    backfill: Backfill
    verdicts: tuple[tuple[DayObs, Verdict], ...]

    @property
    def done(self) -> int:
        """Count the nights that bring nothing more."""
        return sum(verdict in (Verdict.SAFE, Verdict.EMPTY) for _, verdict in self.verdicts)

    def to_json(self) -> dict[str, Any]:
        """Give the fields as they stand in a document."""
        return {
            "number": self.backfill.number,
            "state": self.backfill.state,
            "nights_done": self.done,
            "nights_left": len(self.verdicts) - self.done,
            "nights": [{"day_obs": int(d), "verdict": str(v)} for d, v in self.verdicts],
        }


class Backfills(Protocol):
    """Make runs for nights that are over: Airflow."""

    def start_backfill(
        self, dag_id: str, begin: dt.datetime, end: dt.datetime, runs_at_once: int
    ) -> Backfill:
        """Start runs for the partitions between two times, also for those that had one before."""

    def backfills(self, dag_id: str) -> list[Backfill]:
        """List the backfills of a DAG, the last first."""

    def change_backfill(self, number: int, change: str) -> Backfill:
        """``pause``, ``unpause`` or ``cancel`` a backfill."""


class Speeds(Protocol):
    """Know how fast the backbone was: the ledger's database."""

    def best_hour(self, endpoint: str, since: dt.datetime) -> Speed | None:
        """Give what an endpoint published in its best hour since a time; None where nothing."""


def closing_of(day: DayObs) -> dt.datetime:
    """Give the time by which Airflow counts a night: its own date at 12:30 UTC."""
    return dt.datetime.combine(day.date, dt.time(12, 30), tzinfo=dt.UTC)


def _day(time: dt.datetime) -> DayObs:
    return DayObs.parse(time.astimezone(dt.UTC).strftime("%Y%m%d"))


def plan_catch_up(backbone: Backbone, speeds: Speeds, nights: Sequence[DayObs]) -> CatchUpPlan:
    """Look at what nights still have to bring; changes nothing."""
    now = backbone.clock.now()
    found = tuple(_look(backbone, day) for day in nights)
    return CatchUpPlan(found, speeds.best_hour(backbone.policy.archive, now - LOOK_BACK), now)


def _look(backbone: Backbone, day: DayObs) -> NightWork:
    """Count a night's exposures that are not finished: by the ledger, and by the source's listing."""
    left: dict[str, int] = {}
    known: set[str] = set()
    for instrument in backbone.policy.instruments:
        rows = backbone.ledger.units_of_night(instrument, day.value)
        deliveries = backbone.ledger.deliveries([row.unit for row in rows])
        known |= {row.obs_id for row in rows}
        left |= {r.obs_id: r.size_bytes for r in rows if not is_finished(backbone, r, deliveries)}
        files = backbone.source.list_files(f"{instrument}/{day}/")
        for folder, inside in itertools.groupby(files, lambda file: file.name.rpartition("/")[0]):
            obs_id = folder.rpartition("/")[2]
            if obs_id in left or obs_id not in known:
                left[obs_id] = sum(file.size_bytes for file in inside)
    return NightWork(day, len(left), sum(left.values()), len(left.keys() - known))


def start_catch_up(
    backfills: Backfills, first: DayObs, last: DayObs, runs_at_once: int
) -> Backfill:
    """Have Airflow close the nights from ``first`` to ``last`` again, both included."""
    return backfills.start_backfill(DAG_ID, closing_of(first), closing_of(last), runs_at_once)


def progress_of(backbone: Backbone, backfill: Backfill) -> Progress:
    """Say how far the nights of a backfill are."""
    return Progress(backfill, tuple((day, _verdict(backbone, day)) for day in backfill.nights))


def _verdict(backbone: Backbone, day: DayObs) -> Verdict:
    verdict = night_report(backbone, day).verdict
    is_done = verdict in (Verdict.SAFE, Verdict.EMPTY)
    return Verdict.WAITING if is_done and _look(backbone, day).unseen else verdict
