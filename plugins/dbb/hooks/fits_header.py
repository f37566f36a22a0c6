"""FITS header cards: eighty characters each, read into values (FITS 4.0, section 4)."""

from __future__ import annotations

import re
from typing import Any

CARD_BYTES = 80

Value = str | bool | int | float | None

_HIERARCH = re.compile(r"HIERARCH ([^=]+?) *=(.*)", re.DOTALL)
_TEXT = re.compile(r" *'((?:[^']|'')*)' *(?:/.*)?", re.DOTALL)
_OTHER = re.compile(r" *([^ '/]*) *(?:/.*)?", re.DOTALL)
_WITHOUT_VALUE = frozenset({"COMMENT", "HISTORY", "", "END"})


class BadCard(ValueError):
    """Say which card of a header cannot be read."""


def read_cards(header: str) -> dict[str, Value]:
    """Read the cards of a header into a dictionary; the first of two equal keywords stays.

    Comments are left out, ``HIERARCH`` keywords lose that word, a long text is put together from
    its ``CONTINUE`` cards, and a keyword without a value is None.

    Parameters
    ----------
    header
        The cards before ``END``, in ASCII.

    Raises
    ------
    BadCard
        If a value is none of text, logical, integer or real number.
    """
    found: dict[str, Value] = {}
    last = ""
    for start in range(0, len(header), CARD_BYTES):
        card = header[start : start + CARD_BYTES]
        keyword = card[:8].rstrip()
        if card[8:10] == "= ":
            text = card[10:]
        elif keyword == "HIERARCH" and (match := _HIERARCH.match(card)):
            keyword, text = match[1], match[2]
        elif keyword == "CONTINUE":
            _continue(found, last, card)
            continue
        else:
            continue
        if keyword not in _WITHOUT_VALUE:
            found.setdefault(keyword, read_value(text, keyword))
            last = keyword
    return found


def read_value(text: str, keyword: str) -> Value:
    """Read what stands after the equals sign.

    Raises
    ------
    BadCard
        If it is none of text, logical, integer or real number.
    """
    match = _TEXT.fullmatch(text)
    if match is not None:
        return match[1].rstrip().replace("''", "'")
    match = _OTHER.fullmatch(text)
    if match is None:
        raise BadCard(f"the value of {keyword} cannot be read")
    word = match[1]
    if word in ("T", "F"):
        return word == "T"
    if not word:
        return None
    try:
        return int(word) if word.lstrip("+-").isdigit() else float(word.replace("D", "E"))
    except ValueError:
        raise BadCard(f"the value of {keyword} cannot be read") from None


def _continue(found: dict[str, Value], last: str, card: str) -> None:
    begun: Any = found.get(last)
    more = read_value(card[8:], "CONTINUE")
    if not (isinstance(begun, str) and begun.endswith("&") and isinstance(more, str)):
        raise BadCard("a CONTINUE card continues nothing")
    found[last] = begun[:-1] + more
