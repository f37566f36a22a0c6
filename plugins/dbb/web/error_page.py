"""The page of an error: its code, what is wrong, and what to do next."""

from __future__ import annotations

from typing import Any

from dbb.errors import BadDayObs, DbbError, PlanRefused, Transient, UnknownItem, UnsafeName
from dbb.web.markup import Html, join, page, sentence, sign, tag

_STATUSES: tuple[tuple[tuple[type[DbbError], ...], int], ...] = (
    ((UnsafeName, BadDayObs), 400),
    ((UnknownItem,), 404),
    ((PlanRefused,), 409),
    ((Transient,), 503),
    ((DbbError,), 500),
)


def status_of(error: DbbError) -> int:
    """Choose the HTTP status of an error: the first line of the table that fits."""
    return next(status for kinds, status in _STATUSES if isinstance(error, kinds))


def next_action(error: DbbError) -> str:
    """Say what to do; a name that a page is asked for is nobody's file to reject."""
    if isinstance(error, UnsafeName):
        return "Give an exposure as MC_O_20261121_000123."
    return error.next_action


def error_document(error: DbbError) -> dict[str, Any]:
    """Give the error as the command line's JSON does."""
    return {
        "error": {
            "code": error.code,
            "message": error.message,
            "where": error.where,
            "next_action": next_action(error),
        }
    }


def error_html(error: DbbError) -> str:
    """Write the page."""
    known = [
        ("what", error.message),
        ("where", error.where),
        ("next", sentence(next_action(error))),
        ("read on", tag("code", f"docs/operate/{error.code}.md")),
    ]
    return page(
        error.code,
        Html(""),
        tag("h1", sign("▲", tag("strong", error.code), "act"), class_="verdict act"),
        tag("dl", *(join((tag("dt", name), tag("dd", text))) for name, text in known if text)),
    )


def refused_html(why: str) -> str:
    """Write the page for somebody who may not."""
    return page("Not allowed", Html(""), tag("h1", sign("▲", why, "act"), class_="verdict act"))
