"""A delivery, manifest by endpoint, and the only steps that its state may take.

::

    expected → arrived → verified → registered → published → released
        │         │          │           │            │
        └─────────┴──────────┴───────────┴────────────┴──→ quarantined · missing · suspect · lost

Each step is one guarded UPDATE in the ledger, so a message that comes twice, late or out of order
changes nothing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from dbb.errors import ForbiddenTransition


class State(StrEnum):
    """How far a delivery is; each member states what is then true."""

    EXPECTED = "expected"
    """Somebody says that it should exist here; nothing has been seen."""
    ARRIVED = "arrived"
    """The bytes are here; nobody has read them yet."""
    VERIFIED = "verified"
    """The bytes were read back from the disk and are the manifest's."""
    REGISTERED = "registered"
    """Rucio knows the replica."""
    PUBLISHED = "published"
    """Butler serves it; a reader may see it. The only state that ``dbb.available`` shows."""
    RELEASED = "released"
    """It was deleted here on purpose, with enough verified copies elsewhere; or it never came, and no
    policy wants it here any more."""
    QUARANTINED = "quarantined"
    """Something about it was refused; the reason is a row in ``quarantine``."""
    MISSING = "missing"
    """It ought to be here and is not."""
    SUSPECT = "suspect"
    """A reading disagreed; a second one decides."""
    LOST = "lost"
    """No good copy is left anywhere. Named in the loss report."""


_ONWARD: dict[State, frozenset[State]] = {
    State.EXPECTED: frozenset({State.ARRIVED, State.RELEASED, State.QUARANTINED, State.MISSING}),
    State.ARRIVED: frozenset(
        {State.VERIFIED, State.EXPECTED, State.QUARANTINED, State.MISSING, State.SUSPECT}
    ),
    State.VERIFIED: frozenset(
        {State.REGISTERED, State.RELEASED, State.QUARANTINED, State.MISSING, State.SUSPECT}
    ),
    State.REGISTERED: frozenset({State.PUBLISHED, State.QUARANTINED, State.MISSING, State.SUSPECT}),
    State.PUBLISHED: frozenset({State.RELEASED, State.MISSING, State.SUSPECT}),
    State.RELEASED: frozenset({State.EXPECTED}),
    State.QUARANTINED: frozenset({State.EXPECTED, State.ARRIVED, State.VERIFIED, State.RELEASED}),
    State.MISSING: frozenset({State.EXPECTED, State.ARRIVED, State.LOST}),
    State.SUSPECT: frozenset(
        {State.ARRIVED, State.VERIFIED, State.PUBLISHED, State.QUARANTINED, State.LOST}
    ),
    State.LOST: frozenset({State.ARRIVED}),
}


EXPIRED = "expired"
"""The first word of the reason with which a delivery was released because its time was over."""


def check_transition(old: State, new: State) -> None:
    """Refuse a step that no delivery may take.

    Raises
    ------
    ForbiddenTransition
        If ``new`` is no neighbour of ``old``.
    """
    if new not in _ONWARD[old]:
        raise ForbiddenTransition.for_states(old, new)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Hold one row of the ledger: how far a unit is at an endpoint.

    Parameters
    ----------
    unit
        The unit's name, ``LSSTCam/20261121/MC_O_20261121_000123``.
    endpoint
        The endpoint's name.
    state, since_at
        How far it is, and since when (UTC).
    version
        Number of transitions so far: the guard of the next one.
    reason
        Why it is in this state, for a person.
    rule_id
        The Rucio rule that brings it here, where there is one.
    verified_at
        When its bytes were last read back and found right (UTC).
    waits_for, stuck_at
        Why it does not come, and since when it has not (UTC); empty and None while all is well.
    read_again_at
        When its bytes were last read since it is in this state (UTC): of a published copy, the second
        reading; None before.
    """

    unit: str
    endpoint: str
    state: State
    since_at: dt.datetime
    version: int
    reason: str
    rule_id: str | None = None
    verified_at: dt.datetime | None = None
    waits_for: str = ""
    stuck_at: dt.datetime | None = None
    read_again_at: dt.datetime | None = None

    def was_read_again(self, after: dt.timedelta) -> bool:
        """Say whether its bytes were read a second time, so long after it came into its state."""
        return self.read_again_at is not None and self.read_again_at >= self.since_at + after

    @property
    def is_expired(self) -> bool:
        """Say whether it was released because its time was over: nobody sends it again."""
        return self.state is State.RELEASED and self.reason.startswith(f"{EXPIRED} ")
