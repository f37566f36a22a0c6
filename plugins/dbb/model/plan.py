"""A plan: what a change would do, line by line, with a hash that says which plan was reviewed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dbb.model import strict_json


@dataclass(frozen=True, slots=True)
class Line:
    """Say one thing that would be done.

    Parameters
    ----------
    action
        What: ``add subscription``, ``send``, ``drop``, …
    subject
        To what: a subscription, a link, an endpoint.
    detail
        How, for a person: the old and the new value, the policy.
    units, files, size_bytes
        How much data it moves or drops.
    names
        The units, in order. They are part of the plan's identity.
    value
        What is to be set, for a program.
    """

    action: str
    subject: str
    detail: str = ""
    units: int = 0
    files: int = 0
    size_bytes: int = 0
    names: tuple[str, ...] = ()
    value: Any = None

    def to_json(self) -> dict[str, Any]:
        """Give the line as it stands in a document."""
        return {
            "action": self.action,
            "subject": self.subject,
            "detail": self.detail,
            "units": self.units,
            "files": self.files,
            "bytes": self.size_bytes,
            "names": list(self.names),
            "value": self.value,
        }


@dataclass(frozen=True)
class Plan:
    """Hold what would be done, in the order in which it would be done."""

    lines: tuple[Line, ...] = field(default=())

    @cached_property
    def sha256(self) -> str:
        """Give the plan's identity."""
        return hashlib.sha256(
            strict_json.canonical([line.to_json() for line in self.lines])
        ).hexdigest()

    def of(self, *actions: str) -> list[Line]:
        """List the lines of some actions."""
        return [line for line in self.lines if line.action in actions]

    def __bool__(self) -> bool:
        return bool(self.lines)
