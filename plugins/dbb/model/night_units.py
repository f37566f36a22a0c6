"""What the ledger's database makes of many units of a night at once: those that stand alike, and how long all took."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from dbb.model.delivery import State

States = tuple[tuple[str, State, bool], ...]
"""By endpoint the state, and whether the copy was ever read; in the order of the endpoints' names."""


class UnitName(NamedTuple):
    """Name a unit, and the detectors that it should have and lacks."""

    unit: str
    obs_id: str
    part: int
    instrument: str
    expected: int
    missing: tuple[str, ...]


class AlikeUnits(NamedTuple):
    """Hold the units of a night that have the same state at each endpoint and the same gate.

    Parameters
    ----------
    gate, states
        What they share.
    units
        Who they are.
    since
        By endpoint, since when the first of them is in its state there, or is stuck on its way there.
    changed_at
        When the set of files of the first of them last grew.
    took_us
        By endpoint where they are published, what each took from its last file on, in microseconds.
    """

    gate: str
    states: States
    units: tuple[UnitName, ...]
    since: Mapping[str, dt.datetime]
    changed_at: dt.datetime
    took_us: Mapping[str, tuple[int, ...]]


class NightLags(NamedTuple):
    """Hold how long the raw units of a night took to an endpoint, from their last file on.

    Parameters
    ----------
    published, open
        Units that are published there, and that are to be.
    p50_s, p95_s, max_s
        Of the published ones; None where there are none. Quantiles are times that a unit really took.
    oldest_open
        When the open one that waits longest was whole at the source.
    late
        Units that took longer than the limit, or have waited longer.
    """

    day_obs: int
    endpoint: str
    published: int
    open: int
    p50_s: float | None
    p95_s: float | None
    max_s: float | None
    oldest_open: dt.datetime | None
    late: int

    def longest_open_s(self, now: dt.datetime) -> float | None:
        """Say how long the open one that waits longest has waited."""
        return (
            None if self.oldest_open is None else round((now - self.oldest_open).total_seconds(), 3)
        )

    def to_json(self, now: dt.datetime) -> dict[str, Any]:
        """Give the fields as they stand in a document: the time that one has waited, not since when."""
        fields = self._asdict()
        del fields["oldest_open"]
        late = fields.pop("late")
        return fields | {"longest_open_s": self.longest_open_s(now), "late": late}
