"""A drill: a loss that was brought about on purpose, and what came back."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dbb.model.loss import upper_bound


class DrillKind(StrEnum):
    """What was lost on purpose; each member states what a passed drill has shown."""

    ENDPOINT = "endpoint"
    """A place came back from its peers and manifests alone: every file read, every dataset served."""
    LEDGER = "ledger"
    """A ledger rebuilt from the stores says what the real one says, row by row."""
    DATABASE = "database"
    """A database restored to a moment has the rows that it had then."""
    CORRUPTIONS = "corruptions"
    """Damage of every kind, planted in copies, was found by reading them again."""


@dataclass(frozen=True, slots=True)
class Drill:
    """Hold the outcome of one drill.

    Parameters
    ----------
    kind, subject
        What was lost: an endpoint, a database.
    started_at, ended_at
        When (UTC).
    units, files, size_bytes
        What was to come back; units are rows for a database, damaged copies for a campaign.
    seconds
        How long it took until all was back and had been read.
    wrong
        What did not come back right, by name and reason.
    actor
        Who did it.
    """

    kind: DrillKind
    subject: str
    started_at: dt.datetime
    ended_at: dt.datetime
    units: int
    files: int
    size_bytes: int
    seconds: float
    wrong: tuple[str, ...] = ()
    actor: str = ""

    @property
    def is_passed(self) -> bool:
        """Say whether all came back; nothing at all is no success."""
        return not self.wrong and self.units > 0

    @property
    def undetected_at_most(self) -> float:
        """Give the share that goes wrong unseen at most, with confidence, as far as was tried."""
        return upper_bound(len(self.wrong), self.units) if self.units else 1.0

    def to_json(self) -> dict[str, Any]:
        """Give it as it stands in a document."""
        return {
            "kind": str(self.kind),
            "subject": self.subject,
            "started_at": self.started_at.isoformat(timespec="milliseconds"),
            "ended_at": self.ended_at.isoformat(timespec="milliseconds"),
            "units": self.units,
            "files": self.files,
            "bytes": self.size_bytes,
            "seconds": round(self.seconds, 3),
            "result": "passed" if self.is_passed else "failed",
            "wrong": list(self.wrong),
            "actor": self.actor,
        }
