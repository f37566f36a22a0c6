"""The sums of one night among several: units that stand alike, counted, and what they come to."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dbb.flows.standing import Standing
from dbb.flows.verdict import Verdict
from dbb.model.day_obs import DayObs
from dbb.model.night_units import States
from dbb.model.quarantine import Refusal

ROUND = dt.timedelta(hours=1)
"""How often the source lets go of what is safe: the DAG ``buffer_watch``."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Hold units of a night that stand alike.

    Parameters
    ----------
    day_obs, gate
        What they share, beside the states.
    states
        By endpoint the state, and whether the copy was ever read.
    units, exposures, expected, lacks
        How many: units, first parts, detectors expected, units that lack detectors.
    unit
        The name of one.
    moved_at
        When one of them last moved; None where none ever did.
    """

    day_obs: int
    gate: str
    states: States
    units: int
    exposures: int
    expected: int
    lacks: int
    unit: str
    moved_at: dt.datetime | None


class NightRows(Protocol):
    """Ask the ledger about several nights."""

    def newest_night(self, instruments: Sequence[str]) -> int | None:
        """Name the newest night of which there is a unit."""

    def alike(
        self, first: int, last: int, instruments: Sequence[str], refused: Sequence[str]
    ) -> list[Alike]:
        """Count the units of nights by how they stand, without those that something was refused of."""

    def refusals(self, first: int, last: int) -> list[Refusal]:
        """Read the refusals of nights, whatever was decided."""


@dataclass
class NightSum:
    """Hold the sums of a night.

    Parameters
    ----------
    standings
        Units by standing.
    whys
        Units that are not safe, by what is the matter with them.
    at_source
        Units of which the source still holds the files.
    """

    day_obs: DayObs
    is_stale: bool = False
    exposures: int = 0
    units: int = 0
    expected: int = 0
    lacks: int = 0
    held_refusals: int = 0
    at_source: int = 0
    moved_at: dt.datetime | None = None
    standings: Counter[str] = field(default_factory=Counter)
    whys: Counter[str] = field(default_factory=Counter)

    @property
    def known(self) -> Verdict:
        """Judge what the ledger says, however old it is."""
        if self.held_refusals or self.standings[Standing.ACT]:
            return Verdict.ACT
        if not self.units:
            return Verdict.EMPTY
        return Verdict.WAITING if self.standings[Standing.WAITING] else Verdict.SAFE

    @property
    def verdict(self) -> Verdict:
        """Judge the night: of one that nobody looks at, only what is wrong is known."""
        known = self.known
        return Verdict.UNKNOWN if self.is_stale and known is not Verdict.ACT else known

    @property
    def problems(self) -> int:
        """Count what needs a decision: held refusals, and units that are bad without one."""
        return max(self.held_refusals, self.standings[Standing.ACT])

    def expected_at(self, second_reading_after_s: int) -> dt.datetime | None:
        """Tell by when it is safe if nothing else stands in the way; None where it waits for nothing."""
        if self.known is not Verdict.WAITING or self.moved_at is None:
            return None
        return self.moved_at + dt.timedelta(seconds=second_reading_after_s) + ROUND

    def to_json(self, second_reading_after_s: int) -> dict[str, Any]:
        """Give the fields as they stand in a document."""
        return {
            "day_obs": self.day_obs.value,
            "verdict": str(self.verdict),
            "exposures": self.exposures,
            "units": self.units,
            **{str(standing): self.standings[standing] for standing in Standing},
            "held_refusals": self.held_refusals,
            "detectors_expected": self.expected,
            "units_lacking_detectors": self.lacks,
            "at_source": self.at_source,
            "source_may_be_released": self.verdict is Verdict.SAFE,
            "expected_at": time_json(self.expected_at(second_reading_after_s)),
            "whys": dict(sorted(self.whys.items())),
        }


def time_json(time: dt.datetime | None) -> str | None:
    """Write a time as it stands in a document."""
    return None if time is None else time.isoformat(timespec="milliseconds")
