"""An alarm: what somebody must know, where, since when, and what to do."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Self

from dbb.errors import DbbError


@dataclass(frozen=True, slots=True)
class Alarm:
    """Say what somebody must know.

    Parameters
    ----------
    cause
        What tells it from others: while a cause lasts it is told once.
    code, what, where, next_action
        As an error says them.
    since_at
        Since when it is so (UTC).
    link
        The page to open. A check names it below the pages' address; the whole address is recorded.
    number, raised_at, ended_at
        Its number, when it was noticed and when it was over; 0 and None before.
    """

    cause: str
    code: str
    what: str
    where: str
    next_action: str
    since_at: dt.datetime
    link: str = ""
    number: int = 0
    raised_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None

    @classmethod
    def of(cls, error: DbbError, cause: str, since_at: dt.datetime, link: str = "") -> Self:
        """Make one of an error."""
        action = error.next_action
        return cls(cause, error.code, error.message, error.where, action, since_at, link)

    @property
    def subject(self) -> str:
        """Say in one line what it is about."""
        word = "ended" if self.ended_at else "ALARM"
        return f"{word} {self.code}" + (f" at {self.where}" if self.where else "")

    @property
    def text(self) -> str:
        """Say everything, a line each."""
        lines = [
            self.what,
            f"Where: {self.where or '-'}",
            f"Since: {self.since_at:%Y-%m-%d %H:%M:%S} UTC",
        ]
        if self.ended_at:
            return "\n".join([*lines, f"Over: {self.ended_at:%Y-%m-%d %H:%M:%S} UTC"])
        return "\n".join([*lines, f"Next: {self.next_action}", f"See: {self.link}"])

    def to_json(self) -> dict[str, Any]:
        """Give the fields as they stand in a document."""
        return {
            "number": self.number,
            "cause": self.cause,
            "code": self.code,
            "what": self.what,
            "where": self.where,
            "next_action": self.next_action,
            "link": self.link,
            "since_at": _time(self.since_at),
            "raised_at": _time(self.raised_at),
            "ended_at": _time(self.ended_at),
        }


def _time(time: dt.datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds")
