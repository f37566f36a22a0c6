"""A picture for the documentation shows what the page shows, and is small."""

import base64

import numpy as np
import pytest

from support.browsing import CHROMIUM, open_chromium
from support.pictures import LEVELS, PIXELS, take_picture

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium")

TEXT = """
<body style="font: 20px serif; color: #a3141a; background: linear-gradient(#ffffff, #f4f6f8)">
<h1 style="color: #0b6b3a">Night 2026-11-21: SAFE</h1><p>what was refused, and why</p></body>
"""


def pixels_of(page, png):
    width, height, data = page.evaluate(PIXELS, base64.b64encode(png).decode())
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4).astype(int)


def test_a_picture_has_the_pages_colours_in_less_space(tmp_path):
    with open_chromium() as browser:
        page = browser.new_context(viewport={"width": 600, "height": 300}).new_page()
        page.set_content(TEXT)
        take_picture(page, tmp_path / "page.png")
        made, shown = (tmp_path / "page.png").read_bytes(), page.screenshot()
        away = np.abs(pixels_of(page, made) - pixels_of(page, shown))
    assert np.percentile(away, 99) <= 255 / LEVELS
    assert away.max() < 30
    assert len(made) < len(shown)
