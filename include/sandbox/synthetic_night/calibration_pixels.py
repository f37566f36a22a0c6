"""Pixels of calibration exposures of which every property is known: the truth to compare with."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from sandbox.synthetic_night.pixels import PixelBank, segment_name, write_units

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SATURATION_ADU = 150_000
"""What the converter gives at most."""


@dataclass(frozen=True, slots=True)
class Physics:
    """Say how the detectors behave, in ADU.

    Parameters
    ----------
    bias_level, bias_slope
        The electronic zero of the first amplifier; how much it rises over the rows.
    read_noise
        Standard deviation of each reading.
    dark_rate, hot_rate
        Dark current of a pixel and of a hot one, ADU a second.
    flat_level
        Light of a flat in the brightest place; there is one electron an ADU.
    hot_pixels, cosmic_rays, dead_columns
        How many: of a detector, of a detector and second, of a detector.
    """

    bias_level: float = 24_000.0
    bias_slope: float = 12.0
    read_noise: float = 6.0
    dark_rate: float = 0.2
    hot_rate: float = 80.0
    flat_level: float = 30_000.0
    hot_pixels: int = 6
    cosmic_rays: float = 0.2
    dead_columns: int = 1


@dataclass(frozen=True)
class DetectorTruth:
    """Hold what a detector really is like; all arrays are its rows and columns.

    Parameters
    ----------
    bias
        The electronic zero.
    dark_rate
        ADU a second, hot pixels and all.
    response
        What it makes of even light, 1 in the mean of the live pixels.
    hot, dead
        Hot pixels, and those of dead columns.
    """

    bias: Floats
    dark_rate: Floats
    response: Floats
    hot: Mask
    dead: Mask


class CalibrationBank(PixelBank):
    """Make the image extensions of calibration exposures, each with its own noise.

    Parameters
    ----------
    seed, pixels, amplifiers
        As of any night.
    overscan
        Columns behind the data of each amplifier that see the electronic zero only.
    times_s
        How long each exposure collected charge, by its name.
    physics
        How the detectors behave.
    """

    def __init__(
        self,
        seed: int,
        pixels: int,
        amplifiers: int,
        overscan: int,
        times_s: dict[str, float],
        physics: Physics,
    ) -> None:
        super().__init__(seed, pixels, amplifiers)
        self.overscan = overscan
        self.times_s = times_s
        self.physics = physics
        self.spoilt: dict[str, int] = {}
        """Exposures of which every pixel has the same value."""

    @cached_property
    def _truths(self) -> dict[str, DetectorTruth]:
        return {}

    def truth(self, detector: str) -> DetectorTruth:
        """Give what a detector is like; it stays so for all exposures."""
        if detector not in self._truths:
            self._truths[detector] = self._make_truth(detector)
        return self._truths[detector]

    def cosmic_rays(self, which: str) -> Floats:
        """Give the charge that cosmic rays leave in one exposure of a detector, ADU."""
        obs_id, _, _ = which.partition(":")
        rng = self._rng("rays", which)
        shape = (self.pixels, self.pixels * self.amplifiers)
        charge = np.zeros(shape)
        # also a bias is hit, while it is read out
        for _ in range(rng.poisson(self.physics.cosmic_rays * (self.times_s[obs_id] + 2.0))):
            y, x = int(rng.integers(shape[0])), int(rng.integers(shape[1]))
            length, down = int(rng.integers(1, 6)), bool(rng.integers(2))
            track = (slice(y, y + length), x) if down else (y, slice(x, x + length))
            charge[track] += rng.uniform(300, 4_000)
        return charge

    def counts(self, image_type: str, which: str) -> tuple[npt.NDArray[np.int32], Floats]:
        """Give a detector's pixels and the overscan of its rows (amplifier after amplifier)."""
        obs_id, _, detector = which.partition(":")
        truth, rng = self.truth(detector), self._rng("noise", which)
        time_s, physics = self.times_s[obs_id], self.physics
        charge = truth.dark_rate * time_s
        if image_type == "FLAT":
            lamp = 1 + 0.01 * rng.standard_normal()
            charge = charge + physics.flat_level * lamp * truth.response
        charge = rng.poisson(charge) + self.cosmic_rays(which)
        charge[truth.dead] = 0
        signal = truth.bias + charge + physics.read_noise * rng.standard_normal(charge.shape)
        shape = (self.pixels, self.amplifiers, self.overscan)
        zero = truth.bias[:, :: self.pixels, np.newaxis]
        overscan = zero + physics.read_noise * rng.standard_normal(shape)
        if obs_id in self.spoilt:
            signal[:] = self.spoilt[obs_id]
        counts = np.clip(np.rint(signal), 0, SATURATION_ADU).astype(np.int32)
        return counts, np.rint(overscan)

    def extensions(self, image_type: str, which: str) -> bytes:
        """Give the bytes of all extensions of one image; see `PixelBank.extensions`."""
        counts, overscan = self.counts(image_type, which)
        units: list[fits.PrimaryHDU | fits.CompImageHDU] = [fits.PrimaryHDU()]
        for number in range(self.amplifiers):
            left = number * self.pixels
            data = counts[:, left : left + self.pixels]
            begin, end = left + 1, left + self.pixels
            if number % 2:  # read out from the other side
                data, begin, end = data[:, ::-1], end, begin
            header = fits.Header({"BUNIT": "adu", "CHANNEL": number + 1, "CCDSUM": "1 1"})
            header["DATASEC"] = f"[1:{self.pixels},1:{self.pixels}]"
            header["DETSEC"] = f"[{begin}:{end},1:{self.pixels}]"
            header["DETSIZE"] = self.detector_section
            header["EXTNAME"] = f"Segment{segment_name(number)}"
            image = np.concatenate([data, overscan[:, number]], axis=1).astype(np.int32)
            units.append(fits.CompImageHDU(image, header, compression_type="RICE_1"))
        return write_units(units)

    def _make_truth(self, detector: str) -> DetectorTruth:
        rng, physics = self._rng("truth", detector), self.physics
        shape = (self.pixels, self.pixels * self.amplifiers)
        rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]] / np.max(shape)
        amplifier = np.arange(shape[1]) // self.pixels
        bias = physics.bias_level + 40.0 * amplifier + physics.bias_slope * rows
        hot, dead = np.zeros(shape, bool), np.zeros(shape, bool)
        hot.flat[rng.choice(hot.size, physics.hot_pixels, replace=False)] = True
        dead[:, rng.choice(shape[1], physics.dead_columns, replace=False)] = True
        hot &= ~dead
        response = (1 - 0.1 * rows - 0.06 * columns) * (1 + 0.01 * rng.standard_normal(shape))
        response /= np.median(response[~dead])
        response[dead] = 0
        dark_rate = np.where(hot, physics.hot_rate, physics.dark_rate)
        return DetectorTruth(bias, dark_rate, response, hot, dead)

    def _rng(self, what: str, which: str) -> np.random.Generator:
        number = random.Random(f"{self.seed}:{what}:{which}").getrandbits(64)  # noqa: S311
        return np.random.default_rng(number)
