"""How verdicts, standings and states look: always a symbol and a word, a colour besides."""

from __future__ import annotations

from functools import lru_cache

from dbb.flows.standing import Standing
from dbb.flows.verdict import Verdict
from dbb.model.delivery import State
from dbb.web.markup import Html, safe, sentence, sign, tag

_GOOD, _WAIT, _ACT, _NONE = ("✓", "good"), ("◌", "wait"), ("▲", "act"), ("-", "none")

_LOOKS: dict[str, tuple[str, str]] = {
    Verdict.SAFE: _GOOD,
    Verdict.WAITING: _WAIT,
    Verdict.ACT: _ACT,
    Verdict.EMPTY: _NONE,
    Verdict.UNKNOWN: ("?", "act"),
    Standing.SAFE: _GOOD,
    Standing.WAITING: _WAIT,
    Standing.ACT: _ACT,
    Standing.REJECTED: _NONE,
    State.EXPECTED: _WAIT,
    State.ARRIVED: _WAIT,
    State.VERIFIED: _WAIT,
    State.REGISTERED: _WAIT,
    State.PUBLISHED: _GOOD,
    State.RELEASED: _GOOD,
    State.QUARANTINED: _ACT,
    State.MISSING: _ACT,
    State.SUSPECT: _ACT,
    State.LOST: _ACT,
}


def look_of(word: str) -> tuple[str, str]:
    """Give the symbol and the kind of a verdict, standing or state."""
    return _LOOKS.get(word, _NONE)


@lru_cache(maxsize=256)
def sign_of(word: str) -> Html:
    """Show a verdict, standing or state; *not yet* where there is none."""
    symbol, kind = look_of(word)
    return sign(symbol, word or "not yet", kind)


def headline(word: str, *told: object) -> Html:
    """Make a page's heading of a sentence that says the word itself; the symbol is beside it."""
    symbol, kind = _LOOKS.get(word, _NONE)
    sentence = tag("span", *told)
    return tag("h1", tag("span", symbol, aria_hidden="true"), sentence, class_=f"verdict {kind}")


def spoken(told: str) -> Html:
    """Make a page's heading of a sentence that begins with a verdict: ``SAFE — …``."""
    word, dash, rest = told.partition(" — ")
    return headline(word, tag("strong", word), safe(dash), sentence(rest))
