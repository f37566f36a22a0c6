"""What was refused: the file or exposure, why, where it is kept, and what to do."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class Decision(StrEnum):
    """What became of a refused item."""

    HELD = "held"
    """Kept aside; somebody must decide, or a good copy must come."""
    SUPERSEDED = "superseded"
    """A good copy came and went through; the bad one is kept for inquiry only."""
    RELEASED = "released"
    """An operator put it back on its way."""
    REJECTED = "rejected"
    """An operator said that it is not wanted."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Hold one row of the quarantine.

    Parameters
    ----------
    refusal_id
        Stable identifier: the same file refused for the same bytes is one row.
    unit, day_obs, endpoint
        What it belongs to (the night's folder where no exposure can be named), and where it was
        refused.
    name
        The file's name, or empty when the whole exposure is refused.
    kept_as
        Where the file lies now, in the endpoint's store; empty when nothing was moved.
    code, reason, next_action
        The error's stable code, its message, and what a person does next.
    found_at, decided_at
        When it was refused, and decided (UTC).
    decision, decided_by
        What became of it, and by whom.
    """

    refusal_id: str
    unit: str
    day_obs: int
    endpoint: str
    name: str
    kept_as: str
    code: str
    reason: str
    next_action: str
    found_at: dt.datetime
    decision: Decision = Decision.HELD
    decided_at: dt.datetime | None = None
    decided_by: str = ""
