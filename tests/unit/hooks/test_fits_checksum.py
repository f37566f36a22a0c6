"""The FITS checksum."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from dbb.hooks.fits_checksum import ALL_ONES, encode, ones_complement_sum


def slow_sum(data: bytes) -> int:
    """Sum up word by word, as the standard's text says."""
    total = 0
    for start in range(0, len(data), 4):
        total += int.from_bytes(data[start : start + 4], "big")
        if total > ALL_ONES:
            total -= ALL_ONES
    return total


@given(st.binary(max_size=2000).map(lambda data: data[: len(data) // 4 * 4]))
def test_the_sum_is_the_standards(data: bytes) -> None:
    assert ones_complement_sum(data) == slow_sum(data)
    assert ones_complement_sum(data[4:], ones_complement_sum(data[:4])) == slow_sum(data)


def test_the_sum_of_a_large_image_carries_over() -> None:
    data = np.full(2**20 + 3, ALL_ONES, dtype=">u4").tobytes()
    assert ones_complement_sum(data) == ALL_ONES


@given(st.integers(0, ALL_ONES))
def test_the_encoding_is_astropys(total: int) -> None:
    text = encode(total)
    assert text == fits.PrimaryHDU()._char_encode(ALL_ONES - total)
    assert text.isalnum()


@pytest.mark.parametrize("total", [0, 1, ALL_ONES, 868229149, 0x3A3A3A3A])
def test_edges_are_encoded_too(total: int) -> None:
    assert encode(total).isalnum()
