"""What expiry looks at and writes to: the ledger's rows, and the places from which things go."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from dbb.model.delivery import State
from dbb.model.expiry import Expiry, ExpiryState, Item, Pin, Rule
from dbb.model.kind import Kind
from dbb.ports.ledger import UnitRow

CHUNK = 500
"""Items worked at once: so many a killed run repeats at most."""

RESTED = dt.timedelta(days=1)
"""How long what is not published must have stood still: whoever works on it is done or dead by then."""

NEXT = {
    State.REGISTERED: State.QUARANTINED,
    State.ARRIVED: State.QUARANTINED,
    State.SUSPECT: State.QUARANTINED,
    State.MISSING: State.EXPECTED,
    State.VERIFIED: State.RELEASED,
    State.QUARANTINED: State.RELEASED,
    State.EXPECTED: State.RELEASED,
    State.PUBLISHED: State.RELEASED,
}
"""The step on the way to ``released``, of every state that a delivery of an un-archived kind may have."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Hold a unit that an endpoint has: how far it is there and since when, and when it was first served."""

    row: UnitRow
    state: State
    since_at: dt.datetime
    ingested_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Wish:
    """Name an item that is due, the units whose copies stand for it, and the state that was seen.

    ``over_at`` is when its lifetime was over: nothing goes earlier, whatever time a plan was made for.
    """

    name: str
    units: tuple[str, ...]
    day_obs: int
    size_bytes: int
    over_at: dt.datetime
    state: State = State.PUBLISHED


class ExpiryRows(Protocol):
    """Know from the ledger what holds items, and remember what became of them."""

    def candidates(
        self, endpoint: str, kinds: Collection[Kind], states: Collection[State], last_day: int
    ) -> list[Candidate]:
        """Read the units of some kinds that an endpoint has, of nights up to one."""

    def used(self, endpoint: str, states: Collection[State]) -> dict[Kind, tuple[int, int]]:
        """Count what an endpoint holds: by kind, units and bytes."""

    def copies(
        self, units: Sequence[str], endpoint: str, read_since: dt.datetime
    ) -> dict[str, int]:
        """Count the published copies of units elsewhere that were read since a time."""

    def open(self, endpoint: str) -> list[Expiry]:
        """Read the expiries of an endpoint that are not at their end."""

    def known(self, endpoint: str, subjects: Sequence[str]) -> dict[str, Expiry]:
        """Read the expiries of an endpoint, by subject."""

    def intend(
        self, endpoint: str, rule: Rule, wishes: Sequence[Wish], *, are_units: bool
    ) -> set[str]:
        """Record that items are to go, those of them that may; name these.

        All that allows it is looked at in the transaction that writes it: pins, copies, states.
        """

    def step(
        self, endpoint: str, subjects: Sequence[str], old: ExpiryState, new: ExpiryState
    ) -> None:
        """Record how far expiries are."""

    def pins(self, *, ended: bool = False) -> list[Pin]:
        """List pins that hold something now."""


class Place(Protocol):
    """Be an endpoint from which things go."""

    @property
    def endpoint(self) -> str:
        """Give its name."""

    @property
    def are_units(self) -> bool:
        """Say whether its items are units of the ledger."""

    def items(self, rules: Sequence[Rule], as_of: dt.datetime) -> list[Item]:
        """List what it has, as far as a rule's lifetime may be over."""

    def used(self) -> dict[Kind, tuple[int, int]]:
        """Count what it holds: by kind, items and bytes."""

    def held(self, items: Sequence[Item], rule: Rule) -> dict[str, str]:
        """Say by name why items stay that only the place knows of: collections, unanswered questions."""

    def wish(self, item: Item, rule: Rule) -> Wish:
        """Say what must hold for an item to go."""

    def carry_out(self, intended: Sequence[Expiry]) -> None:
        """Take away what was intended, as far as it goes; each step is recorded when it is done."""
