"""The FITS checksum: a 32-bit ones'-complement sum over big-endian words (FITS 4.0, appendix J).

It finds every flipped bit, but neither two words that change places nor a word of ones in the place
of one of zeros: only a digest finds those.
"""

from __future__ import annotations

import numpy as np

ALL_ONES = 0xFFFF_FFFF
_PIECE_WORDS = 256 * 1024
"""Pieces that stay in the cache: a third quicker than one sum over a whole image."""


def ones_complement_sum(data: bytes | memoryview, start: int = 0) -> int:
    """Sum up bytes, whose number is a multiple of four, onto ``start``."""
    # Big-endian words: summing native words and swapping the result is right for 16 bits only.
    words = np.frombuffer(data, dtype=">u4")
    total = start
    for first in range(0, len(words), _PIECE_WORDS):
        total += int(words[first : first + _PIECE_WORDS].sum(dtype=np.uint64))
    while total > ALL_ONES:
        total = (total & ALL_ONES) + (total >> 32)
    return total


def encode(total: int) -> str:
    """Write the complement of a sum as the 16 letters and digits of a CHECKSUM card.

    ``total`` is the sum of the unit with sixteen ``0`` characters in the card's place.
    """
    value = ALL_ONES - total
    columns: list[list[int]] = []
    for shift in (24, 16, 8, 0):
        quotient, rest = divmod((value >> shift) & 0xFF, 4)
        columns.append(_alphanumeric([quotient + rest, quotient, quotient, quotient]))
    text = "".join(chr(columns[byte][row]) for row in range(4) for byte in range(4))
    return text[-1] + text[:-1]  # the card's value starts at an odd column: rotate by one


def _alphanumeric(offsets: list[int]) -> list[int]:
    """Shift pairs of characters against each other until none is punctuation; the sum stays."""
    chars = [offset + ord("0") for offset in offsets]
    while any(not chr(char).isalnum() for char in chars):
        for first in (0, 2):
            if not (chr(chars[first]).isalnum() and chr(chars[first + 1]).isalnum()):
                chars[first] += 1
                chars[first + 1] -= 1
    return chars
