"""What goes on now: who gave a sign of life and when, how fast the links are, what waits and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from dbb.flows.backbone import Backbone
from dbb.flows.canary import LIMIT_S, MISSING_AFTER_PERIODS, PERIOD_S, Canary, CanaryRows, overdue
from dbb.flows.freshness import FRESH_S, looked_at
from dbb.model.delivery import State

SCHEMA = "dbb-now/1"
HOUR = dt.timedelta(hours=1)
SCRUB_EVERY_S = 2 * 3600
"""The DAGs ``scrub_<endpoint>`` run every hour."""
COMPARE_EVERY_S = 3600
"""The DAGs ``reconcile_<endpoint>`` run every quarter of an hour."""


class Pulse(StrEnum):
    """Whether something gives signs of life; each member states what is then true."""

    ALIVE = "alive"
    """The last sign is as young as it must be."""
    SILENT = "silent"
    """The last sign is too old, or it was a bad one: somebody must look."""
    NEVER = "never"
    """There never was a sign: it is switched off, or new."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Hold the last sign of life of a part.

    Parameters
    ----------
    part, at
        What, and when (UTC).
    limit_s
        How old it may be; 0 where there is no limit.
    trouble
        What is wrong beside its age.
    """

    part: str
    at: dt.datetime | None
    limit_s: int
    trouble: str = ""

    def pulse(self, now: dt.datetime) -> Pulse:
        """Judge it."""
        if self.at is None:
            return Pulse.NEVER
        too_old = bool(self.limit_s) and (now - self.at).total_seconds() > self.limit_s
        return Pulse.SILENT if self.trouble or too_old else Pulse.ALIVE


@dataclass(frozen=True, slots=True)
class Waiting:
    """Hold deliveries that wait at an endpoint for the same thing."""

    endpoint: str
    waits_for: str
    deliveries: int
    since_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Link:
    """Hold what an endpoint took in within the last hour."""

    endpoint: str
    units: int
    size_bytes: int
    last_at: dt.datetime | None

    @property
    def bytes_per_s(self) -> float:
        """Give the mean rate."""
        return self.size_bytes / HOUR.total_seconds()


class NowRows(Protocol):
    """Ask the ledger what goes on."""

    def waiting(self) -> list[Waiting]:
        """Count the deliveries that wait, by what they wait for, the most first."""

    def moved(self, endpoint: str, state: State, since: dt.datetime) -> tuple[int, int]:
        """Count what reached a state at an endpoint since a time, and its bytes."""

    def last_moved(self, endpoint: str, state: State) -> dt.datetime | None:
        """Tell when something last reached a state at an endpoint."""

    def last_scrub(self, endpoint: str) -> dt.datetime | None:
        """Tell when reading again last ended at an endpoint."""

    def last_compared(self, endpoint: str) -> dt.datetime | None:
        """Tell when a night was last compared at an endpoint."""


@dataclass(frozen=True)
class NowReport:
    """Hold what goes on at a moment."""

    as_of: dt.datetime
    heartbeats: tuple[Heartbeat, ...]
    canary: Canary | None
    stages_s: dict[str, float]
    links: tuple[Link, ...]
    waiting: tuple[Waiting, ...]
    events: dict[str, tuple[int, dt.datetime | None]]

    @property
    def silent(self) -> list[Heartbeat]:
        """List the parts that are too long silent."""
        return [each for each in self.heartbeats if each.pulse(self.as_of) is Pulse.SILENT]

    @property
    def sentence(self) -> str:
        """Say whether all parts give signs of life, and how much waits."""
        waits = sum(each.deliveries for each in self.waiting)
        told = f"{waits:,} {'delivery waits' if waits == 1 else 'deliveries wait'}"
        if self.silent:
            return f"ACT — silent: {', '.join(each.part for each in self.silent)}; {told}."
        if all(each.at is None for each in self.heartbeats):
            return f"UNKNOWN — no part ever gave a sign of life; {told}."
        return f"{'WAITING' if waits else 'SAFE'} — all parts give signs of life; {told}."

    def to_json(self) -> dict[str, Any]:
        """Give everything as a document of schema ``dbb-now/1``."""
        return {
            "schema": SCHEMA,
            "as_of": _time(self.as_of),
            "sentence": self.sentence,
            "heartbeats": [
                {
                    "part": each.part,
                    "at": _time(each.at),
                    "limit_s": each.limit_s or None,
                    "pulse": str(each.pulse(self.as_of)),
                    "trouble": each.trouble,
                }
                for each in self.heartbeats
            ],
            "canary": None
            if self.canary is None
            else {
                "number": self.canary.number,
                "begun_at": _time(self.canary.begun_at),
                "outcome": self.canary.outcome,
                "stages_s": {name: round(took, 1) for name, took in self.stages_s.items()},
            },
            "links": [
                {
                    "endpoint": link.endpoint,
                    "units_in_hour": link.units,
                    "bytes_in_hour": link.size_bytes,
                    "bytes_per_s": round(link.bytes_per_s),
                    "last_at": _time(link.last_at),
                }
                for link in self.links
            ],
            "waiting": [
                {
                    "endpoint": each.endpoint,
                    "waits_for": each.waits_for,
                    "deliveries": each.deliveries,
                    "since_at": _time(each.since_at),
                }
                for each in self.waiting
            ],
            "events": {
                rse: {"new": number, "newest_at": _time(newest)}
                for rse, (number, newest) in self.events.items()
            },
        }


def now_report(backbone: Backbone, rows: NowRows, canaries: CanaryRows) -> NowReport:
    """Read what goes on from the ledger alone."""
    now, policy = backbone.clock.now(), backbone.policy
    newest = canaries.newest(1)
    canary = newest[0] if newest else None
    return NowReport(
        as_of=now,
        heartbeats=(
            Heartbeat(f"look at {policy.source}", looked_at(backbone), FRESH_S),
            _canary_beat(canaries, canary, now),
            *(
                Heartbeat(f"reading again at {name}", rows.last_scrub(name), SCRUB_EVERY_S)
                for name in policy.publishers
            ),
            *(
                Heartbeat(f"comparing at {name}", rows.last_compared(name), COMPARE_EVERY_S)
                for name in (policy.source, *policy.publishers)
            ),
        ),
        canary=canary,
        stages_s={} if canary is None else canaries.stages(canary),
        links=tuple(_links(rows, (policy.source, *policy.publishers), policy.source, now)),
        waiting=tuple(rows.waiting()),
        events={
            rse: backbone.inbox.newest(rse)
            for name in policy.publishers
            if (rse := backbone.rses.get(name, ""))
        },
    )


def _canary_beat(canaries: CanaryRows, canary: Canary | None, now: dt.datetime) -> Heartbeat:
    wrong = overdue(canaries, now)
    limit_s = MISSING_AFTER_PERIODS * PERIOD_S + LIMIT_S
    at = None if canary is None else canary.ended_at or canary.begun_at
    return Heartbeat("canary", at, limit_s, "" if wrong is None else wrong.message)


def _links(rows: NowRows, names: Sequence[str], source: str, now: dt.datetime) -> list[Link]:
    links = []
    for name in names:
        state = State.ARRIVED if name == source else State.VERIFIED
        links.append(Link(name, *rows.moved(name, state, now - HOUR), rows.last_moved(name, state)))
    return links


def _time(time: dt.datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="milliseconds")
