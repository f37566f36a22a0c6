"""Values as one line of plain text, whatever somebody put into a name; numbers with their nouns."""

from __future__ import annotations

import datetime as dt


def show(value: object) -> str:
    """Write a value on one line; what could move a terminal's cursor is escaped."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def count(number: int, noun: str) -> str:
    """Write a number and what it counts: ``1 night``, ``2,800 exposures``."""
    return f"{number:,} {noun if number == 1 else f'{noun}s'}"
