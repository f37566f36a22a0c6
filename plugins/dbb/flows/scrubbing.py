"""Reading every copy again, for ever: rot that no listing shows is found within a period.

First comes what the source waits for: it lets go of nothing before the archive's copy was read a second
time. Then the oldest reading is next. How old the readings are is in the ledger, with each delivery: what is covered
is a query and no promise. A run reads what its share of the time asks for, and makes way for the night.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dbb.flows.backbone import Backbone
from dbb.flows.verifying import verify_units
from dbb.model.scrub import Age, needed_rate
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)

UNITS_AT_ONCE = 50
"""Copies that are asked for together; the night is looked at between them."""

PUBLISHING = dt.timedelta(minutes=10)
"""What has been moving at the endpoint for this long or less is tonight's, and goes first."""


class Readings(Protocol):
    """Remember when copies were read."""

    def ages(self, endpoint: str) -> list[Age]:
        """Sum the published copies of an endpoint by the day of their last reading, oldest first."""

    def oldest(self, endpoint: str, before: dt.datetime, most: int) -> list[UnitRow]:
        """Read the published copies whose last reading is oldest, and before a time."""

    def waiting(self, endpoint: str, source: str, after: dt.timedelta) -> list[UnitRow]:
        """Read the copies that the source waits for: published, and not read again so long after."""

    def note_read(self, units: Sequence[str], endpoint: str) -> None:
        """Record that published copies were read again and are right."""

    def in_work(self, endpoint: str, since: dt.datetime) -> int:
        """Count the deliveries on their way to publication that moved since a time."""

    def note_run(self, endpoint: str, started_at: dt.datetime, run: Run) -> None:
        """Record what a run read."""

    def runs(self, endpoint: str, since: dt.datetime) -> tuple[int, int, int, int]:
        """Count runs, and sum their copies, bytes and damaged copies, since a time."""


@dataclass(slots=True)
class Run:
    """Say what a run read.

    Parameters
    ----------
    copies, size_bytes, damaged
        How much, and how many copies were not right.
    stopped
        Why it ended: ``budget`` (its share is done), ``all read``, ``night`` (it made way), ``time``, or
        ``failure``.
    """

    copies: int = 0
    size_bytes: int = 0
    damaged: int = 0
    stopped: str = "failure"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Say how well an endpoint's copies are covered by readings.

    Parameters
    ----------
    endpoint
        Its name.
    copies, size_bytes
        What it publishes.
    overdue
        Copies whose last reading is older than the period.
    oldest_at
        The oldest last reading; None without copies.
    rate
        Bytes per second that are needed from now on.
    damaged
        Copies that runs found not right within the last period.
    """

    endpoint: str
    copies: int
    size_bytes: int
    overdue: int
    oldest_at: dt.datetime | None
    rate: float
    damaged: int

    def to_json(self) -> dict[str, Any]:
        """Give it as it stands in a document; the rate is null where a copy is overdue."""
        return {
            "endpoint": self.endpoint,
            "copies": self.copies,
            "bytes": self.size_bytes,
            "overdue": self.overdue,
            "oldest_reading": None if self.oldest_at is None else self.oldest_at.isoformat(),
            "needed_bytes_per_s": None if self.rate == float("inf") else round(self.rate),
            "damaged_in_period": self.damaged,
        }


def find_coverage(
    backbone: Backbone, readings: Readings, endpoint: str, period: dt.timedelta
) -> Coverage:
    """Tell how old the readings of an endpoint's copies are."""
    now = backbone.clock.now()
    ages = readings.ages(endpoint)
    _, _, _, damaged = readings.runs(endpoint, now - period)
    return Coverage(
        endpoint=endpoint,
        copies=sum(age.copies for age in ages),
        size_bytes=sum(age.size_bytes for age in ages),
        overdue=sum(age.copies for age in ages if age.oldest_at + period <= now),
        oldest_at=ages[0].oldest_at if ages else None,
        rate=needed_rate(ages, period, now),
        damaged=damaged,
    )


def reread_copies(
    backbone: Backbone,
    readings: Readings,
    endpoint: str,
    period: dt.timedelta,
    share: dt.timedelta,
    at_once: int = 1,
) -> Run:
    """Read the copies of an endpoint whose turn it is, past the page cache; bad ones lose their state.

    A bad copy at a receiver is fetched anew by Rucio; one at the archive is brought back by `repair`.

    Parameters
    ----------
    backbone, readings
        The ports.
    endpoint
        Where to read.
    period
        How old a reading may become.
    share
        How much time this run stands for: it reads what the needed rate makes of it, at least one copy.
        It is also the longest that it takes.
    at_once
        How many copies are read side by side; so many may be read after a reason to stop.
    """
    run = Run()
    started_at = backbone.clock.now()
    try:
        run.stopped = _Reader(backbone, readings, endpoint, run, at_once).read(period, share)
    finally:
        readings.note_run(endpoint, started_at, run)
        log.info(
            "action=reread endpoint=%s copies=%d bytes=%d damaged=%d reason=%s",
            endpoint, run.copies, run.size_bytes, run.damaged, run.stopped,
        )  # fmt: skip
    return run


@dataclass
class _Reader:
    """Read copies of one endpoint until there is a reason to stop."""

    backbone: Backbone
    readings: Readings
    endpoint: str
    run: Run
    at_once: int

    def read(self, period: dt.timedelta, share: dt.timedelta) -> str:
        """Give the reason."""
        now = self.backbone.clock.now()
        rate = needed_rate(self.readings.ages(self.endpoint), period, now)
        budget, until = rate * share.total_seconds(), now + share
        if self.endpoint == self.backbone.policy.archive:
            self._read_waiting(until)

        def stop() -> str:
            if self.run.copies and self.run.size_bytes >= budget:
                return "budget"
            if self.backbone.clock.now() >= until:
                return "time"
            return "night" if rate != float("inf") and self._is_night_at_work() else ""

        while rows := self.readings.oldest(self.endpoint, now, UNITS_AT_ONCE):
            if why := self._reread(rows, stop):
                return why
        return "all read"

    def _read_waiting(self, until: dt.datetime) -> None:
        """Read what the source waits for, until the time is up or a night is at work.

        It counts in the run's share, so that little else is read in an hour with much of it.
        """
        policy = self.backbone.policy
        after = dt.timedelta(seconds=policy.second_reading_after_s)

        def stop() -> str:
            if self.backbone.clock.now() >= until:
                return "time"
            return "night" if self._is_night_at_work() else ""

        self._reread(self.readings.waiting(self.endpoint, policy.source, after), stop)

    def _is_night_at_work(self) -> bool:
        since = self.backbone.clock.now() - PUBLISHING
        return self.readings.in_work(self.endpoint, since) > 0

    def _reread(self, rows: Sequence[UnitRow], stop: Callable[[], str]) -> str:
        """Read copies until there is a reason to stop, which is given."""
        why = ""

        def due() -> Iterator[UnitRow]:
            nonlocal why
            for row in rows:
                if why := stop():
                    return
                yield row

        for reading in verify_units(
            self.backbone, due(), [self.endpoint], record=True, at_once=self.at_once
        ):
            self.run.copies += 1
            self.run.size_bytes += reading.size_bytes
            if reading.error is None:
                self.readings.note_read([reading.unit], self.endpoint)
            else:
                self.run.damaged += 1
        return why
