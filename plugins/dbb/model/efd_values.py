"""What telemetry says of exposures: the window of each, its values, and what publishing them did."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from dbb.model.day_obs import TAI_MINUS_UTC, DayObs

WIDE = ""
"""The property under which the values lie that have a column of their own."""


@dataclass(frozen=True, slots=True)
class ExposureWindow:
    """Name an exposure and when it was taken, in UTC as telemetry's time stamps are."""

    exposure_id: int
    day_obs: int
    seq_num: int
    begin: dt.datetime
    end: dt.datetime

    @classmethod
    def of_tai(
        cls,
        exposure_id: int,
        day_obs: int,
        seq_num: int,
        begin_tai: dt.datetime,
        end_tai: dt.datetime,
    ) -> ExposureWindow:
        """Make one of TAI without a zone, which is how exposures are recorded."""
        begin = begin_tai.replace(tzinfo=dt.UTC) - TAI_MINUS_UTC
        return cls(
            exposure_id, day_obs, seq_num, begin, end_tai.replace(tzinfo=dt.UTC) - TAI_MINUS_UTC
        )


@dataclass(frozen=True)
class EfdRow:
    """Hold the values of one property of one exposure.

    Parameters
    ----------
    exposure_id, day_obs, seq_num
        Whose they are.
    property
        The array's name; ``WIDE`` for the values with columns of their own.
    values
        By field, or by column. None where telemetry has nothing to say.
    samples
        By topic, how many samples lie in the exposure; of the wide row only.
    """

    exposure_id: int
    day_obs: int
    seq_num: int
    property: str
    values: Mapping[str, float | None]
    samples: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """Give the hash of all it says: equal at every endpoint, whatever the order of columns."""
        told = {name: value for name, value in self.values.items() if value is not None}
        key = [self.exposure_id, self.day_obs, self.seq_num, self.property]
        document = json.dumps([key, told, dict(self.samples)], sort_keys=True, allow_nan=False)
        return hashlib.sha256(document.encode()).hexdigest()


class Severity(StrEnum):
    """Say what a violated expectation does."""

    BLOCK = "block"
    """Nothing of the interval is published."""
    WARN = "warn"
    """It is recorded and shown."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Say which expectation does not hold, and for what."""

    severity: Severity
    expectation: str
    subjects: tuple[str, ...]

    def __str__(self) -> str:
        named = ", ".join(self.subjects[:3])
        rest = f" and {len(self.subjects) - 3} more" if len(self.subjects) > 3 else ""
        return f"{self.expectation}: {named}{rest}"


@dataclass(frozen=True, slots=True)
class Publication:
    """Say what a publication wrote.

    Parameters
    ----------
    publication_id
        Its number; 0 when nothing had changed and nothing was written.
    rows, exposures
        How many new versions it has, and of how many exposures.
    """

    publication_id: int
    rows: int
    exposures: int


class FileKind(StrEnum):
    """Say what publications a file has."""

    VALUES = "values"
    """One, of values of telemetry."""
    EXPOSURES = "exposures"
    """A run of such of exposures, their log and products: every number from the first to the last."""


@dataclass(frozen=True, slots=True)
class PublicationFile:
    """Hold of which publications a file is.

    Parameters
    ----------
    kind, first, last
        What they are of, and their numbers.
    begin
        The hour whose parcel the file travels in.
    instrument
        Of values: whose. Otherwise empty.
    versions
        How many versions it has.
    version
        Which writing of it this is: one that was damaged is written anew.
    """

    kind: FileKind
    first: int
    last: int
    begin: dt.datetime
    instrument: str
    versions: int
    version: int = 1

    @property
    def topic(self) -> str:
        """Say what it is, for the parcel's label."""
        return f"{self.kind}.{self.instrument}".rstrip(".")

    @property
    def name(self) -> str:
        """Name it: a version never has the name of another."""
        place = f"{DayObs.at(self.begin)}/efd-values/{self.instrument}-{self.first:09d}"
        if self.kind is FileKind.EXPOSURES:
            place = f"{DayObs.at(self.begin)}/exposures/{self.first:09d}-{self.last:09d}"
        return f"{place}.v{self.version}.parquet"


@dataclass(frozen=True, slots=True)
class FileThere:
    """Name a file that is published at an endpoint, and the publications that it has."""

    first: int
    last: int
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """Say what loading a file brought: nothing, where it was there."""

    publications: int = 0
    versions: int = 0


class DayKey(NamedTuple):
    """Name a day of a table; values of telemetry count as one, too."""

    day_obs: int
    instrument: str
    table: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Say how an endpoint's rows stand beside the archive's, as of the last publication that it has.

    Parameters
    ----------
    endpoint, publication_id
        Which endpoint, and which publication.
    behind
        How many publications it does not have yet.
    late_since
        When the first of these was made, where that is too long ago.
    compared
        How many days of tables were compared.
    differ
        The rows that differ, ``LSSTCam 20261121 TABLE EXPOSURE``; of telemetry with the property.
    """

    endpoint: str
    publication_id: int
    behind: int
    late_since: dt.datetime | None
    compared: int
    differ: tuple[str, ...]
