"""The account of outages: when the archive published no raw exposure although one waited, and how long that was planned.

It is made of the ledger's history alone, so that it is the same whoever looked meanwhile: an hour counts
as out from when an exposure was complete and nothing was published until the next publication. An exposure that
was refused, or lacks detectors, waits for somebody else and is no sign of an outage. What a maintenance covers was
planned.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from dbb.flows.backbone import Backbone
from dbb.flows.outage_history import (
    SHORTEST,
    YEAR_DAYS,
    Hour,
    PublishedRows,
    read_published,
)
from dbb.printable import count

SCHEMA = "dbb-outages/1"
PRODUCTION_MAX_DOWNTIME = dt.timedelta(hours=24)  # productionMaxDowntime, DMS-DBB-REQ-0001
MOST_DAYS = 36_500


class Span(NamedTuple):
    """Hold a time with its end, which is None while it lasts."""

    begun_at: dt.datetime
    ended_at: dt.datetime | None


class OutageRows(PublishedRows, Protocol):
    """Know from the ledger when what was published, what waits, and when nothing was to be."""

    def known_since(self) -> dt.datetime | None:
        """Tell since when there is a history."""

    def waits_since(self, source: str, archive: str) -> dt.datetime | None:
        """Tell since when a complete exposure waits now; None where none does."""

    def maintenances(self, since: dt.datetime) -> list[Span]:
        """Read the maintenances that lasted then or later."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Say when nothing was published although something waited.

    Parameters
    ----------
    begun_at, until
        From when, and until when: now, while it lasts.
    lasts
        Whether it does.
    planned
        How much of it maintenances cover.
    """

    begun_at: dt.datetime
    until: dt.datetime
    lasts: bool
    planned: dt.timedelta

    @property
    def unplanned(self) -> dt.timedelta:
        """Give the part that nobody planned."""
        return self.until - self.begun_at - self.planned

    @property
    def is_too_long(self) -> bool:
        """Say whether production was down for longer than it may."""
        return self.unplanned > PRODUCTION_MAX_DOWNTIME

    def to_json(self) -> dict[str, Any]:
        """Give it as it stands in a document."""
        return {
            "begun_at": self.begun_at.isoformat(timespec="seconds"),
            "ended_at": None if self.lasts else self.until.isoformat(timespec="seconds"),
            "hours": _hours(self.until - self.begun_at),
            "planned_hours": _hours(self.planned),
            "unplanned_hours": _hours(self.unplanned),
            "too_long": self.is_too_long,
        }


@dataclass(frozen=True)
class OutageReport:
    """Hold the outages of a period, the newest first.

    Parameters
    ----------
    since
        From when on: the period's begin, or the ledger's where that is later.
    days
        How long the period was asked to be.
    """

    as_of: dt.datetime
    since: dt.datetime
    days: int
    outages: tuple[Outage, ...]

    @property
    def unplanned(self) -> dt.timedelta:
        """Sum up what nobody planned."""
        return sum((each.unplanned for each in self.outages), dt.timedelta())

    @property
    def is_kept(self) -> bool:
        """Say whether none was too long."""
        return not any(each.is_too_long for each in self.outages)

    @property
    def is_well(self) -> bool:
        """Say whether none was too long and none lasts."""
        return self.is_kept and not any(each.lasts for each in self.outages)

    @property
    def sentence(self) -> str:
        """Say whether the limit is kept, by how much, and what the account knows."""
        if self.since >= self.as_of:
            return "EMPTY — the ledger knows of no time before now."
        told = f"since {self.since:%Y-%m-%d %H:%M} UTC"
        if self.as_of - self.since < dt.timedelta(days=self.days):
            told += f", where the ledger begins (asked for {self.days:,} days)"
        if not self.outages:
            return f"SAFE — no outage of an hour or more {told}."
        longest = max(each.unplanned for each in self.outages)
        number = len(self.outages)
        sums = (
            f"{count(number, 'outage')} {told}: unplanned {_hours(self.unplanned):,} h in all,"
            f" {_hours(longest):,} h the longest, of 24 h"
        )
        if not self.is_kept:
            return f"ACT — {sums}, which is broken."
        return f"SAFE — {sums}." if self.is_well else f"ACT — {sums}, and one lasts."

    def to_json(self) -> dict[str, Any]:
        """Give everything as a document of schema ``dbb-outages/1``."""
        return {
            "schema": SCHEMA,
            "as_of": self.as_of.isoformat(timespec="milliseconds"),
            "since": self.since.isoformat(timespec="seconds"),
            "days": self.days,
            "sentence": self.sentence,
            "limit_hours": _hours(PRODUCTION_MAX_DOWNTIME),
            "unplanned_hours": _hours(self.unplanned),
            "kept": self.is_kept,
            "outages": [each.to_json() for each in self.outages],
        }


def account_outages(backbone: Backbone, rows: OutageRows, days: int = YEAR_DAYS) -> OutageReport:
    """Make the account of the last days, as far as the ledger knows them."""
    now, policy = backbone.clock.now(), backbone.policy
    since = max(now - dt.timedelta(days=min(max(days, 0), MOST_DAYS)), rows.known_since() or now)
    hours = read_published(backbone, rows, since)
    waits = rows.waits_since(policy.source, policy.archive)
    planned = rows.maintenances(since)
    found = [
        Outage(
            span.begun_at, end, span.ended_at is None, _overlap(span.begun_at, end, planned, now)
        )
        for span in find_spans(since, hours, waits, now)
        for end in [span.ended_at or now]
    ]
    return OutageReport(now, since, days, tuple(reversed(found)))


def find_spans(
    since: dt.datetime, hours: Sequence[Hour], waits: dt.datetime | None, now: dt.datetime
) -> list[Span]:
    """Find the times of an hour or more without a publication in which an exposure waited; the last one may still last.

    Whatever is published later, or waits now, waited from when it was complete. Some publications do not end an
    outage while others wait on: production is back when it has gone on for an hour, or has published what waited.
    """
    oldest = waits or dt.datetime.max.replace(tzinfo=dt.UTC)
    waited = []
    for hour in reversed(hours):
        oldest = min(oldest, hour.oldest_at or oldest)
        waited.append(oldest)
    found: list[Span] = []
    quiet_from = since
    for hour, began in zip(hours, reversed(waited), strict=True):
        _add(found, began, Span(max(quiet_from, began), hour.first_at), now)
        quiet_from = hour.last_at
    if waits is not None:
        _add(found, waits, Span(max(quiet_from, waits), None), now)
    return found


def _add(found: list[Span], waits: dt.datetime, span: Span, now: dt.datetime) -> None:
    """Add an outage, or go on with the one before, which too little was published after; ``waits`` is since when something does."""
    if (span.ended_at or now) - span.begun_at < SHORTEST:
        return
    back_at = found[-1].ended_at if found else None
    if back_at is not None and waits < back_at and span.begun_at - back_at < SHORTEST:
        found[-1] = Span(found[-1].begun_at, span.ended_at)
    else:
        found.append(span)


def _overlap(
    begun: dt.datetime, ended: dt.datetime, planned: Sequence[Span], now: dt.datetime
) -> dt.timedelta:
    """Sum up what maintenances, one at a time, cover of a span."""
    parts = (min(ended, each.ended_at or now) - max(begun, each.begun_at) for each in planned)
    return sum((part for part in parts if part > dt.timedelta()), dt.timedelta())


def _hours(time: dt.timedelta) -> float:
    """Give hours to a hundredth, never less than there were."""
    return math.ceil(time.total_seconds() / 36 - 1e-9) / 100
