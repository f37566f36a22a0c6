"""What telemetry says of exposures: the window of each, its values, and what publishing them did."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

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


@dataclass(frozen=True, slots=True)
class ValuesFile:
    """Name the file in which a publication travels."""

    publication_id: int
    version: int
    name: str

    @classmethod
    def of(
        cls, publication_id: int, instrument: str, begin: dt.datetime, version: int
    ) -> ValuesFile:
        """Name it: a version never has the name of another."""
        leaf = f"{instrument}-{publication_id:09d}.v{version}.parquet"
        return cls(publication_id, version, f"{DayObs.at(begin)}/efd-values/{leaf}")


@dataclass(frozen=True, slots=True)
class Compared:
    """Say how an endpoint's values stand beside the archive's, as of the last publication that it has.

    Parameters
    ----------
    endpoint, publication_id
        Which endpoint, and which publication.
    behind
        How many publications it does not have yet.
    late_since
        When the first of these was made, where that is too long ago.
    compared
        How many days of instruments were compared.
    differ
        The rows that differ, ``LSSTCam 20261121 EXPOSURE PROPERTY``.
    """

    endpoint: str
    publication_id: int
    behind: int
    late_since: dt.datetime | None
    compared: int
    differ: tuple[str, ...]
