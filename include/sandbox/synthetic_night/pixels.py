"""Pixels as the camera's: bias level, noise, a gradient and stars, in tile-compressed extensions."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from dbb.hooks.fits_structure import read_units
from sandbox.synthetic_night.cards import with_plain_checksums

BIAS_LEVEL = 24_000
READ_NOISE = 6.0
SKY = {"BIAS": 0, "DARK": 20, "FLAT": 30_000}
SKY_AT_NIGHT = 1_200
VARIANTS = 4
"""Different images of each type: two detectors side by side seldom have the same."""


class PixelBank:
    """Make the image extensions of each type of exposure once, and hand them out again.

    Parameters
    ----------
    seed
        What the noise is drawn from.
    pixels
        The side of an amplifier's image.
    amplifiers
        The number of extensions: 16 in a real file.
    """

    def __init__(self, seed: int, pixels: int, amplifiers: int) -> None:
        self.seed = seed
        self.pixels = pixels
        self.amplifiers = amplifiers
        self._made: dict[tuple[str, int], bytes] = {}

    @property
    def detector_section(self) -> str:
        """Give the section of the detector that all amplifiers cover."""
        return f"[1:{self.pixels * self.amplifiers},1:{self.pixels}]"

    def extensions(self, image_type: str, which: str) -> bytes:
        """Give the bytes of all extensions of one image.

        Parameters
        ----------
        image_type
            ``BIAS``, ``FLAT``, ``OBJECT``, …: how much light there is.
        which
            Any text that names the image; the same text gets the same pixels.
        """
        source = random.Random(f"{self.seed}:{which}")  # noqa: S311  reproducible on purpose
        variant = source.randrange(VARIANTS)
        kind = image_type if image_type in SKY else "OBJECT"
        if (kind, variant) not in self._made:
            self._made[kind, variant] = self._make(kind, variant)
        return self._made[kind, variant]

    def _make(self, kind: str, variant: int) -> bytes:
        rng = np.random.default_rng([self.seed, variant, *kind.encode("ascii")])
        units: list[fits.PrimaryHDU | fits.CompImageHDU] = [fits.PrimaryHDU()]
        for number in range(self.amplifiers):
            begin = number * self.pixels + 1
            section = f"[{begin}:{begin + self.pixels - 1},1:{self.pixels}]"
            header = fits.Header({"BUNIT": "adu", "CHANNEL": number + 1, "CCDSUM": "1 1"})
            header["DATASEC"] = f"[1:{self.pixels},1:{self.pixels}]"
            header["DETSEC"], header["DETSIZE"] = section, self.detector_section
            image = _image(rng, self.pixels, SKY.get(kind, SKY_AT_NIGHT))
            header["EXTNAME"] = f"Segment{segment_name(number)}"
            units.append(fits.CompImageHDU(image, header, compression_type="RICE_1"))
        return write_units(units)


def write_units(units: Sequence[Any]) -> bytes:
    """Write the units of a FITS file after the first, with plain checksums."""
    stream = io.BytesIO()
    fits.HDUList(units).writeto(stream, checksum=True)
    data = stream.getvalue()
    return b"".join(
        with_plain_checksums(data[unit.begin : unit.end], unit.data_begin - unit.begin)
        for unit in read_units("pixels", data)[1:]
    )


def segment_name(number: int) -> str:
    """Name amplifiers as the camera does: 10 to 17 in the upper half, then 07 down to 00."""
    return f"1{number}" if number < 8 else f"0{15 - number}"


def _image(rng: np.random.Generator, pixels: int, sky: int) -> npt.NDArray[np.int32]:
    rows, columns = np.mgrid[0:pixels, 0:pixels].astype(np.float32)
    light = sky * (1 + 0.05 * rows / pixels - 0.03 * columns / pixels)
    if sky == SKY_AT_NIGHT:
        for _ in range(max(3, pixels // 32)):
            y, x = rng.uniform(0, pixels, 2)
            brightness = 500 * (1 + rng.pareto(1.5))
            width = 2 * 1.8**2
            box = (slice(max(0, int(y) - 9), int(y) + 10), slice(max(0, int(x) - 9), int(x) + 10))
            distance = (rows[box] - y) ** 2 + (columns[box] - x) ** 2
            light[box] += np.minimum(brightness, 60_000) * np.exp(-distance / width)
    noise = rng.standard_normal((pixels, pixels), dtype=np.float32)
    counts = np.rint(BIAS_LEVEL + light + noise * np.sqrt(READ_NOISE**2 + light))
    return np.asarray(counts, dtype=np.int32)
