"""How long exposures took from their last file at the source to their publication."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dbb.flows.standing import NightRow
from dbb.model.delivery import State


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


def measure_lags(rows: Sequence[NightRow], endpoints: Iterable[str]) -> tuple[Lag, ...]:
    """Measure the endpoints at which something is published."""
    lags = []
    for endpoint in endpoints:
        seconds = sorted(
            round((place.since_at - line.row.changed_at).total_seconds(), 3)
            for line in rows
            if (place := line.places[endpoint]).state == State.PUBLISHED
            and place.since_at is not None
        )
        if seconds:
            lags.append(
                Lag(
                    endpoint,
                    len(seconds),
                    quantile(seconds, 0.50),
                    quantile(seconds, 0.95),
                    seconds[-1],
                )
            )
    return tuple(lags)


def quantile(ordered: Sequence[float], fraction: float) -> float:
    """Give the nearest rank: a lag that an exposure really had, and none in between."""
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]
