"""Values as one line of plain text, whatever somebody put into a name."""

from __future__ import annotations

import datetime as dt


def show(value: object) -> str:
    """Write a value on one line; what could move a terminal's cursor is escaped."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in str(value)
    )
