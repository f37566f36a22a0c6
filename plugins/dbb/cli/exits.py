"""Exit codes: fixed, documented, and derived from the error families."""

from __future__ import annotations

from enum import IntEnum

from dbb.errors import (
    BadDayObs,
    Damaged,
    DbbError,
    DecisionImpossible,
    Misconfigured,
    Transient,
    UnknownItem,
    UnsafeName,
)


class Exit(IntEnum):
    """What the command found; any other code means failure."""

    WELL = 0
    """Nothing needs a person."""
    FINDINGS = 1
    """Something needs a decision."""
    USAGE = 2
    """The command line cannot be understood, or names what is not there."""
    UNREACHABLE = 3
    """A service does not answer: try again later."""
    DAMAGED = 4
    """A copy is missing or its bytes are wrong."""
    MISCONFIGURED = 5
    """The installation must be mended first."""
    FAULT = 70
    """A fault of the program itself; the traceback is on stderr."""


_EXITS: tuple[tuple[tuple[type[DbbError], ...], Exit], ...] = (
    ((UnsafeName, BadDayObs, UnknownItem), Exit.USAGE),
    ((DecisionImpossible,), Exit.FINDINGS),
    ((Transient,), Exit.UNREACHABLE),
    ((Damaged,), Exit.DAMAGED),
    ((Misconfigured,), Exit.MISCONFIGURED),
    ((DbbError,), Exit.FINDINGS),
)


def exit_of(error: DbbError) -> Exit:
    """Choose the exit code of an error: the first line of the table that fits."""
    return next(code for kinds, code in _EXITS if isinstance(error, kinds))
