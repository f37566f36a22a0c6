"""Read what the database makes of a night's units: a long night costs a few thousand short lines."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

from dbb.hooks.sql import to_time
from dbb.model.delivery import State
from dbb.model.night_units import AlikeUnits, NightLags, States, UnitName

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class _Gathered:
    """Gather units that stand alike."""

    def __init__(self, gate: str, states: States) -> None:
        self.gate, self.states = gate, states
        self.units: list[UnitName] = []
        self.since_us: dict[str, list[int]] = {endpoint: [] for endpoint, _, _ in states}
        self.changed_us: list[int] = []

    def add(self, unit: UnitName, changed_us: int, times: str) -> None:
        """Add one; ``times`` names the endpoints: ``usdf=1764161234123456 frdf=…``."""
        self.units.append(unit)
        self.changed_us.append(changed_us)
        for each in times.split():
            endpoint, _, time_us = each.partition("=")
            self.since_us[endpoint].append(int(time_us))

    def freeze(self) -> AlikeUnits:
        """Give what was gathered."""
        took = {
            endpoint: tuple(map(int.__sub__, self.since_us[endpoint], self.changed_us))
            for endpoint, state, _ in self.states
            if state is State.PUBLISHED
        }
        first = {endpoint: _time(min(times)) for endpoint, times in self.since_us.items()}
        units, changed_at = tuple(self.units), _time(min(self.changed_us))
        return AlikeUnits(self.gate, self.states, units, first, changed_at, took)


def to_alike_units(rows: Iterable[Any], apart: Collection[str]) -> list[AlikeUnits]:
    """Bring together what stands alike in lines of ``page/night``; each unit of ``apart`` stays alone."""
    gathered: dict[tuple[str, States, str], _Gathered] = {}
    for unit, obs_id, part, instrument, expected, missing, gate, changed_us, places in rows:
        text, _, times = places.partition("|")
        states = read_states(text)
        key = (gate, states, unit if unit in apart else "")
        if key not in gathered:
            gathered[key] = _Gathered(gate, states)
        lacks = () if missing == "[]" else tuple(json.loads(missing))
        name = UnitName(unit, obs_id, part, instrument, expected, lacks)
        gathered[key].add(name, changed_us, times)
    return [each.freeze() for each in gathered.values()]


def _time(time_us: int) -> dt.datetime:
    return EPOCH + dt.timedelta(microseconds=time_us)


@lru_cache(maxsize=4096)
def read_states(text: str) -> States:
    """Read ``usdf=published frdf=verified?``; the question mark says that the copy was never read."""
    pairs = (each.partition("=") for each in sorted(text.split()))
    return tuple(
        (endpoint, State(state.rstrip("?")), not state.endswith("?"))
        for endpoint, _, state in pairs
    )


def to_lags(row: Any) -> NightLags:
    """Read a line of ``page/lags``."""
    return NightLags(
        row.day_obs, row.endpoint, int(row.published), int(row.waiting), _seconds(row.p50_us),
        _seconds(row.p95_us), _seconds(row.max_us),
        None if row.oldest_open is None else to_time(row.oldest_open), int(row.late),
    )  # fmt: skip


def _seconds(time_us: int | None) -> float | None:
    return None if time_us is None else round(time_us / 1e6, 3)
