"""How long exposures took from their last file at the source to their publication."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dbb.flows.backbone import Backbone
from dbb.model.day_obs import DayObs
from dbb.model.night_units import AlikeUnits, NightLags

L1_PUBLIC_T = dt.timedelta(hours=24)  # L1PublicT, within which products of a night are public


@dataclass(frozen=True, slots=True)
class Lag:
    """Hold the lags of an endpoint's published exposures, in seconds."""

    endpoint: str
    exposures: int
    p50_s: float
    p95_s: float
    max_s: float

    def to_json(self) -> dict[str, Any]:
        """Give the fields as they stand in a document."""
        return {
            "endpoint": self.endpoint,
            "exposures": self.exposures,
            "p50_s": self.p50_s,
            "p95_s": self.p95_s,
            "max_s": self.max_s,
        }


def lags_of_nights(backbone: Backbone, first: DayObs, last: DayObs) -> list[NightLags]:
    """Sum up the lags of nights, the newest first, then by the policy's order of endpoints."""
    publishers = backbone.policy.publishers
    place = {name: number for number, name in enumerate(publishers)}
    found = backbone.ledger.lags(first.value, last.value, publishers, L1_PUBLIC_T)
    return sorted(found, key=lambda each: (-each.day_obs, place[each.endpoint]))


def measure_lags(found: Iterable[AlikeUnits], endpoints: Iterable[str]) -> tuple[Lag, ...]:
    """Measure one night at the endpoints at which something is published."""
    took: dict[str, list[int]] = {name: [] for name in endpoints}
    for alike in found:
        for endpoint, times in alike.took_us.items():
            if endpoint in took:
                took[endpoint] += times
    return tuple(
        Lag(name, len(times), _quantile(times, 50), _quantile(times, 95), _quantile(times, 100))
        for name, times in ((name, sorted(times)) for name, times in took.items())
        if times
    )


def _quantile(ordered: Sequence[int], percent: int) -> float:
    """Give the nearest rank: a lag that an exposure really had, and none in between."""
    place = -(-percent * len(ordered) // 100)
    return round(ordered[max(0, place - 1)] / 1e6, 3)
