"""The standing of one unit: safe, waiting for something, in need of a person, or rejected."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from dbb.model.delivery import Delivery, State
from dbb.model.endpoint import RawPolicy
from dbb.model.night_units import AlikeUnits
from dbb.model.quarantine import Decision, Refusal
from dbb.ports.ledger import UnitRow


class Standing(StrEnum):
    """What a unit needs; each member states what is then true."""

    ACT = "act"
    """Something was refused or went wrong, and nobody has decided yet."""
    WAITING = "waiting"
    """It goes on by itself; ``why`` says what for."""
    SAFE = "safe"
    """Published and re-read wherever it is wanted; the source's copy is released."""
    REJECTED = "rejected"
    """An operator said that it is not wanted; its bytes stay where they are."""


@dataclass(frozen=True, slots=True)
class Place:
    """Hold how far a unit is at one endpoint (``state`` is empty where nothing is known yet)."""

    state: str
    since_at: dt.datetime | None
    reason: str
    verified_at: dt.datetime | None

    def to_json(self) -> dict[str, Any]:
        """Give the fields as they stand in a document."""
        return {
            "state": self.state,
            "since_at": _time(self.since_at),
            "reason": self.reason,
            "verified_at": _time(self.verified_at),
        }


NOT_WANTED = Place("not wanted", None, "no policy sends it here", None)


def is_wanted(policy: RawPolicy, deliveries: Mapping[str, Delivery], endpoint: str) -> bool:
    """Say whether an exposure is to come to an endpoint: unknown, hence so, until registered."""
    at_archive = deliveries.get(policy.archive)
    return endpoint in deliveries or at_archive is None or at_archive.state not in _DECIDED


_DECIDED = (State.REGISTERED, State.PUBLISHED)


@dataclass(frozen=True, slots=True)
class NightRow:
    """Hold one line of the night.

    Parameters
    ----------
    row
        The unit as the ledger knows it.
    places
        By endpoint, the source first.
    standing, why
        What it needs, in a word and in a clause such as ``waits for detectors``.
    since_at
        Since when it stands so.
    refusals
        The held refusals that belong to it.
    """

    row: UnitRow
    places: Mapping[str, Place]
    standing: Standing
    why: str
    since_at: dt.datetime
    refusals: tuple[Refusal, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the fields as they stand in a document."""
        row = self.row
        return {
            "unit": row.unit,
            "instrument": row.instrument,
            "obs_id": row.obs_id,
            "part": row.part,
            "expected": row.expected,
            "arrived": row.arrived,
            "missing": list(row.missing),
            "changed_at": _time(row.changed_at),
            "gate": row.gate,
            "standing": str(self.standing),
            "why": self.why,
            "since_at": _time(self.since_at),
            "places": {name: place.to_json() for name, place in self.places.items()},
            "refusals": [item.refusal_id for item in self.refusals],
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """Hold how units of a night that stand alike are judged.

    Parameters
    ----------
    states
        By endpoint, the source first.
    standing, why, since_at
        What they need, and since when the first of them does.
    refusals
        The held refusals; only a unit that is judged alone has any.
    """

    states: Mapping[str, str]
    standing: Standing
    why: str
    since_at: dt.datetime
    refusals: tuple[Refusal, ...]


class Line(NamedTuple):
    """Hold a unit of the night and how it is judged, without the details of its row."""

    unit: str
    obs_id: str
    part: int
    instrument: str
    expected: int
    missing: tuple[str, ...]
    judged: Judged

    @property
    def standing(self) -> Standing:
        """Give what it needs, in a word."""
        return self.judged.standing


def judge_alike(
    policy: RawPolicy, day_obs: int, alike: AlikeUnits, refusals: Sequence[Refusal]
) -> Judged:
    """Judge one for all by the rule of one unit: they differ by times only, and the earliest of each counts."""
    unit = alike.units[0].unit
    row = UnitRow(unit, "", "", day_obs, "", 1, 0, 0, (), alike.changed_at, gate=alike.gate)
    deliveries = {
        name: Delivery(
            unit, name, state, alike.since[name], 0, "",
            verified_at=alike.since[name] if was_read else None,
        )
        for name, state, was_read in alike.states
    }  # fmt: skip
    one = judge_unit(policy, row, deliveries, refusals)
    states = {name: place.state for name, place in one.places.items()}
    return Judged(states, one.standing, one.why, one.since_at, one.refusals)


_WRONG = (State.SUSPECT, State.MISSING, State.LOST)


def judge_unit(
    policy: RawPolicy,
    row: UnitRow,
    deliveries: Mapping[str, Delivery],
    refusals: Sequence[Refusal],
) -> NightRow:
    """Say where a unit stands.

    Parameters
    ----------
    policy
        Which endpoint is the source and which publish.
    row
        The unit.
    deliveries
        Its deliveries by endpoint.
    refusals
        All its refusals, decided or not.
    """
    held = tuple(item for item in refusals if item.decision is Decision.HELD)
    standing, why, since_at = (
        _wrong(policy, deliveries, refusals, held)
        or _waiting(policy, row, deliveries)
        or (Standing.SAFE, "is safe", deliveries[policy.source].since_at)
    )
    places = {policy.source: _place(deliveries.get(policy.source))}
    for name in policy.publishers:
        there = deliveries.get(name)
        wanted = there is not None or is_wanted(policy, deliveries, name)
        places[name] = _place(there) if wanted else NOT_WANTED
    return NightRow(row, places, standing, why, since_at, held)


Judgement = tuple[Standing, str, dt.datetime]


def _wrong(
    policy: RawPolicy,
    deliveries: Mapping[str, Delivery],
    refusals: Sequence[Refusal],
    held: Sequence[Refusal],
) -> Judgement | None:
    """Find what a person must look at: the most telling first."""
    for state in reversed(_WRONG):
        for name, delivery in deliveries.items():
            if delivery.state is state:
                return Standing.ACT, f"is {state} at {name}", delivery.since_at
    if held:
        return Standing.ACT, f"has {held[0].code} at {held[0].endpoint}", held[0].found_at
    for name in policy.publishers:
        quarantined = deliveries.get(name)
        if quarantined is not None and quarantined.state is State.QUARANTINED:
            if _is_rejected(refusals, name):
                return Standing.REJECTED, f"was rejected at {name}", quarantined.since_at
            return Standing.ACT, f"is quarantined at {name}", quarantined.since_at
    return None


def _is_rejected(refusals: Sequence[Refusal], endpoint: str) -> bool:
    return any(
        item.decision is Decision.REJECTED and item.endpoint == endpoint and not item.name
        for item in refusals
    )


def _waiting(
    policy: RawPolicy, row: UnitRow, deliveries: Mapping[str, Delivery]
) -> Judgement | None:
    """Find the first step that has not been taken."""
    source = deliveries.get(policy.source)
    if source is None:
        return Standing.WAITING, "waits to be looked at", row.changed_at
    if source.state in _AT_SOURCE:
        return Standing.WAITING, _AT_SOURCE[source.state], source.since_at
    for name in policy.publishers:
        there = deliveries.get(name)
        if there is None and not is_wanted(policy, deliveries, name):
            continue
        found = _waiting_at(name, row, there, source.since_at)
        if found is not None:
            return found
    if source.state is not State.RELEASED:
        return Standing.WAITING, f"waits for release at {policy.source}", source.since_at
    return None


def _waiting_at(
    endpoint: str, row: UnitRow, delivery: Delivery | None, since_at: dt.datetime
) -> Judgement | None:
    if delivery is None or delivery.state in (State.EXPECTED, State.ARRIVED):
        since_at = since_at if delivery is None else delivery.stuck_at or delivery.since_at
        return Standing.WAITING, f"waits for its copy at {endpoint}", since_at
    if delivery.state is State.VERIFIED and row.gate != "passed":
        return Standing.WAITING, "waits for its expectations", delivery.since_at
    if delivery.state is not State.PUBLISHED or delivery.verified_at is None:
        return Standing.WAITING, f"waits for publication at {endpoint}", delivery.since_at
    return None


_AT_SOURCE = {
    State.EXPECTED: "waits for detectors",
    State.QUARANTINED: "waits for a good copy",
    State.ARRIVED: "waits to be bundled",
}


def _place(delivery: Delivery | None) -> Place:
    if delivery is None:
        return Place("", None, "", None)
    reason = delivery.waits_for or delivery.reason
    since_at = delivery.stuck_at or delivery.since_at
    return Place(str(delivery.state), since_at, reason, delivery.verified_at)


def _time(time: dt.datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="milliseconds")
