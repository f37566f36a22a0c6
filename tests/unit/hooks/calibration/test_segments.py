"""Amplifiers are put where they belong, without their overscan."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits

from dbb.errors import UnreadableFits
from dbb.hooks.calibration.segments import parse_section, read_detector


def make_file(*images: tuple[np.ndarray, dict[str, str]], size: str | None = None) -> bytes:
    units: list[object] = [fits.PrimaryHDU()]
    if size:
        units[0].header["DETSIZE"] = size
    for pixels, cards in images:
        units.append(fits.CompImageHDU(pixels, fits.Header(cards), compression_type="RICE_1"))
    stream = io.BytesIO()
    fits.HDUList(units).writeto(stream)
    return stream.getvalue()


def test_a_segment_as_the_cameras_is_cut_turned_and_put_in_place():
    # 3 columns before the data, 8 columns and 2 rows of overscan behind them
    left, right = np.arange(20).reshape(4, 5), 100 + np.arange(20).reshape(4, 5)
    images = []
    for data, level in ((left, 1000), (right, 3000)):
        whole = np.full((6, 16), level, dtype=np.int32)
        whole += 10 * np.arange(6, dtype=np.int32)[:, None]  # each row has a level of its own
        whole[:4, 3:8] += data.astype(np.int32)
        whole[:, :3] = -7
        images.append(whole)
    data = make_file(
        (images[0], {"DATASEC": "[4:8,1:4]", "DETSEC": "[5:1,1:4]"}),
        (images[1], {"DATASEC": "[4:8,1:4]", "DETSEC": "[6:10,4:1]"}),
        size="[1:10,1:4]",
    )
    found = read_detector("x", data)
    assert found.overscan
    assert found.amplifiers == ((0, 4, 0, 5), (0, 4, 5, 10))
    np.testing.assert_array_equal(found.pixels[:, :5], left[:, ::-1])
    np.testing.assert_array_equal(found.pixels[:, 5:], right[::-1])


def test_a_file_without_sections_is_one_image_whose_level_stays():
    found = read_detector("x", make_file((np.full((3, 4), 24_000, np.int32), {})))
    assert not found.overscan
    assert found.pixels.tolist() == [[24_000.0] * 4] * 3


@pytest.mark.parametrize(
    ("cards", "size"),
    [
        ({"DATASEC": "[1:9,1:4]"}, None),
        ({"DATASEC": "what"}, None),
        ({"DETSEC": "[1:4,1:4]"}, "[1:5,1:4]"),
        ({"DETSEC": "[1:4,1:3]"}, "[1:4,1:4]"),
        ({"DETSEC": "[2:5,1:4]"}, "[1:4,1:4]"),
    ],
)
def test_sections_that_contradict_each_other_are_refused(cards, size):
    with pytest.raises(UnreadableFits, match=r"x\.fits"):
        read_detector("x.fits", make_file((np.zeros((4, 4), np.int32), cards), size=size))


@pytest.mark.parametrize("data", [b"", b"no FITS at all", make_file()])
def test_what_holds_no_image_is_refused(data):
    with pytest.raises(UnreadableFits):
        read_detector("x", data)


def test_a_section_may_run_backwards():
    assert parse_section("[509:1,1:2000]") == ((0, 2000, 0, 509), True, False)
