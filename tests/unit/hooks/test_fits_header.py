"""FITS cards read into values."""

from __future__ import annotations

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from dbb.hooks.fits_header import BadCard, read_cards, read_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("                    T / logical", True),
        ("                    F", False),
        ("                  -12 / number", -12),
        ("   3.0E5", 3.0e5),
        ("   3.0D5", 3.0e5),
        (" 'R22     '           / raft", "R22"),
        (" 'it''s / here'", "it's / here"),
        (" ''", ""),
        ("", None),
        ("            / nothing", None),
    ],
)
def test_a_value_is_read_as_what_it_is(text: str, value: object) -> None:
    found = read_value(text, "KEY")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [" 'open", " two words", " 1 2", " (1, 2)", " 0x10", " 'a' 'b'"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadCard):
        read_value(text, "KEY")


def test_long_names_and_long_texts_are_put_together() -> None:
    cards = [
        "HIERARCH STUTTER ROWS = 3 / rows",
        "LONG    = 'first &'",
        "CONTINUE  'second'",
        "COMMENT   = not a value",
        "HISTORY nothing",
    ]
    header = "".join(card.ljust(80) for card in cards)
    assert read_cards(header) == {"STUTTER ROWS": 3, "LONG": "first second"}


def test_a_text_that_continues_nothing_is_refused() -> None:
    with pytest.raises(BadCard):
        read_cards("A       = 'whole'".ljust(80) + "CONTINUE  'more'".ljust(80))


_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
_NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**18), 10**18)


@given(_TEXT.map(str.rstrip) | _NUMBER | st.booleans())
def test_what_astropy_writes_is_read_back(value: str | float) -> None:
    card = fits.Card("KEYWORD", value)
    if len(card.image) > 80:  # astropy continues texts in which many quotes are doubled
        return
    assert read_cards(card.image)["KEYWORD"] == fits.Card.fromstring(card.image).value
