"""The archive of the Engineering and Facilities Database: topics, hours, cells and files.

A *cell* is one hour of one topic, from its begin up to before its end (UTC). It is the unit of extraction
and of the account of gaps.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from dbb.model.day_obs import DayObs
from dbb.model.digest import Digest

HOUR = dt.timedelta(hours=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def to_ns(time: dt.datetime) -> int:
    """Give a time as nanoseconds since 1970 (UTC), exactly."""
    return (time - EPOCH) // dt.timedelta(microseconds=1) * 1000


def from_ns(nanoseconds: int) -> dt.datetime:
    """Give a time of nanoseconds since 1970 (UTC), cut to the microsecond."""
    return EPOCH + dt.timedelta(microseconds=nanoseconds // 1000)


def hour_of(time: dt.datetime) -> dt.datetime:
    """Give the begin of the hour that a time (aware) is in."""
    return time.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


def hours_between(begin: dt.datetime, end: dt.datetime) -> Iterator[dt.datetime]:
    """List the begins of the hours that touch the time from ``begin`` up to before ``end``."""
    hour = hour_of(begin)
    while hour < end:
        yield hour
        hour += HOUR


class Cadence(StrEnum):
    """How a topic's points come."""

    CONTINUOUS = "continuous"
    """In every hour there are some: an hour without is a gap."""
    EVENT = "event"
    """When something happens: an hour without is right."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Describe a topic.

    Parameters
    ----------
    name
        Its name in the database, ``lsst.sal.MTMount.encoder``.
    instruments
        Whose exposures are joined with it.
    cadence
        How its points come.
    rate_mhz
        About how many points there are in 1,000 s; 0 where it is not known.
    units
        By field, its unit; ``*`` stands for the index of an array.
    """

    name: str
    instruments: tuple[str, ...]
    cadence: Cadence
    rate_mhz: int = 0
    units: Mapping[str, str] = field(default_factory=dict, hash=False)

    def unit_of(self, name: str) -> str:
        """Give the unit of a field; nothing where it is not known."""
        if name in self.units:
            return self.units[name]
        for pattern, unit in self.units.items():
            stem = pattern.removesuffix("*")
            if fnmatchcase(name, pattern) and name.removeprefix(stem).isdecimal():
                return unit
        return ""


class CellState(StrEnum):
    """How far a cell is."""

    OPEN = "open"
    """It is to be extracted; its code says why."""
    EXTRACTED = "extracted"
    """What the source had is archived, which for an event may be nothing."""
    EMPTY = "empty"
    """The source had nothing, and should have: a gap. It opens again when points come."""


@dataclass(frozen=True, slots=True)
class Count:
    """Hold the fingerprint of a cell's points, which the source gives cheaply.

    Parameters
    ----------
    points
        How many there are.
    seq_sum
        The sum of their sequence numbers; None where the topic has none of whole numbers.
    """

    points: int = 0
    seq_sum: int | None = None

    def differs(self, other: Count) -> bool:
        """Say whether the points cannot be the same."""
        if self.points != other.points:
            return True
        return None not in (self.seq_sum, other.seq_sum) and self.seq_sum != other.seq_sum


@dataclass(frozen=True, slots=True)
class Cell:
    """Hold one hour of a topic, as the ledger knows it.

    Parameters
    ----------
    topic, begin
        Which it is.
    state, code, reason
        How far it is and why.
    attempts
        How often it failed since it was opened.
    version
        Of its current file; 0 where there is none.
    count
        The source's fingerprint when it was extracted.
    last_at
        Of its last point.
    """

    topic: str
    begin: dt.datetime
    state: CellState
    code: str = ""
    reason: str = ""
    attempts: int = 0
    version: int = 0
    count: Count = Count()
    last_at: dt.datetime | None = None

    @property
    def end(self) -> dt.datetime:
        """Give the first instant after it."""
        return self.begin + HOUR

    def __str__(self) -> str:
        return f"{self.topic} {self.begin:%Y-%m-%dT%H}"


@dataclass(frozen=True, slots=True)
class Copied:
    """Say what was written into a file.

    Parameters
    ----------
    rows, count
        How many rows, and the fingerprint of those points, as the source counts.
    first_ns, last_ns
        Of the first and last point.
    content_sha256
        Identity of the rows.
    fields
        By field, its type; of a continuous topic those that have any value.
    remarks
        What is remarkable, by code.
    digest
        Identity of the file.
    """

    rows: int
    count: Count
    first_ns: int
    last_ns: int
    content_sha256: str
    fields: Mapping[str, str] = field(hash=False)
    remarks: Mapping[str, str] = field(hash=False)
    digest: Digest

    @property
    def schema_sha256(self) -> str:
        """Give the identity of the fields."""
        return hashlib.sha256(fields_json(self.fields).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class EfdFile:
    """Hold one file of the archive, as the ledger knows it."""

    topic: str
    begin: dt.datetime
    version: int
    name: str
    rows: int
    content_sha256: str
    digest: Digest
    unit: str
    notes: Mapping[str, str] = field(default_factory=dict, hash=False)


def file_name(topic: str, begin: dt.datetime, version: int) -> str:
    """Name a file within the scope: a version never has the name of another."""
    return f"{DayObs.at(begin)}/efd/{begin:%Y%m%dT%H}/{topic}.v{version}.parquet"


def fields_json(fields: Mapping[str, str]) -> str:
    """Write fields and their types canonically."""
    return json.dumps(dict(sorted(fields.items())), separators=(",", ":"))


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Say in words what of a topic's fields has changed; nothing where nothing has."""
    told = {
        "added": sorted(new.keys() - old.keys()),
        "removed": sorted(old.keys() - new.keys()),
        "retyped": sorted(
            f"{name} ({old[name]} to {new[name]})"
            for name in old.keys() & new.keys()
            if old[name] != new[name]
        ),
    }
    return "; ".join(f"{what}: {_some(names)}" for what, names in told.items() if names)


def _some(names: list[str], shown: int = 5) -> str:
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")
