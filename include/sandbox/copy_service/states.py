"""Name the states and kinds of jobs and files, as FTS3 spells them."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """The states of a file; jobs use all but NOT_USED, and FINISHEDDIRTY besides."""

    SUBMITTED = "SUBMITTED"
    ACTIVE = "ACTIVE"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    # A source or hop that was not needed, because another source served or an earlier hop failed.
    NOT_USED = "NOT_USED"
    # A job some of whose files arrived.
    FINISHEDDIRTY = "FINISHEDDIRTY"


FINAL = frozenset(
    {State.FINISHED, State.FAILED, State.CANCELED, State.NOT_USED, State.FINISHEDDIRTY}
)


class Kind(StrEnum):
    """The kinds of jobs."""

    # Every file for itself.
    INDEPENDENT = "N"
    # One destination, several sources: the first that works is used.
    SOURCES = "R"
    # Several hops in order: the first failure ends the chain.
    HOPS = "H"
