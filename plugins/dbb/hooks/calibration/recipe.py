"""What is done to each image before the average, and to the average after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dbb.errors import CalibrationInputsRefused
from dbb.hooks.calibration.clipping import SIGMA_OF_MAD
from dbb.hooks.calibration.product import MaskPlane, Planes
from dbb.hooks.calibration.segments import Box, DetectorImage
from dbb.model.payload import CalibrationKind

Floats = npt.NDArray[np.float32]

UNITS = {
    CalibrationKind.BIAS: "adu",
    CalibrationKind.DARK: "adu/s",
    CalibrationKind.FLAT: "",
}

PARAMETERS: Mapping[str, float] = {
    "clip_sigma": 4.0,
    "hot_sigma": 10.0,
    "dead_response": 0.5,
    "band_mebibytes": 64,
}
"""What an order may set, and what holds where it does not: how far from the median a value is an
outlier; how far from its amplifier's median a bias or dark pixel is hot; below which response a
pixel of a flat is dead; how much of all images is in memory at once."""

_EXPOSURE_TIMES = ("DARKTIME", "EXPTIME")


@dataclass(frozen=True)
class Applied:
    """Hold the calibrations that are applied first, and whether the bias has its overscan off."""

    bias: Planes | None = None
    dark: Planes | None = None
    bias_overscan: bool = False

    @property
    def planes(self) -> list[Planes]:
        """List those that there are."""
        return [planes for planes in (self.bias, self.dark) if planes is not None]


@dataclass(frozen=True)
class Prepared:
    """Hold an image that is ready for the average.

    Parameters
    ----------
    pixels
        In the units of the product.
    quantum
        What one ADU is in these units.
    time_s
        How long it collected charge.
    """

    pixels: Floats
    quantum: float
    time_s: float


def prepare(kind: CalibrationKind, image: DetectorImage, applied: Applied, name: str) -> Prepared:
    """Take bias and dark off an image, and divide it by its time or its light.

    Raises
    ------
    CalibrationInputsRefused
        If nothing takes the bias level off, the header has no time, or there is no light.
    """
    pixels = image.pixels
    if kind is CalibrationKind.BIAS:
        return Prepared(pixels, 1.0, 0.0)
    if applied.bias is None and not image.overscan:
        raise CalibrationInputsRefused.for_image(
            name, f"a {kind} without overscan needs a bias, and none is in force"
        )
    if applied.bias is not None and applied.bias_overscan != image.overscan:
        raise CalibrationInputsRefused.for_image(
            name, "the overscan was taken off either it or the bias in force, not both"
        )
    time_s = dark_time_s(image.header, name)
    if applied.bias is not None:
        pixels = pixels - applied.bias.image
    if kind is CalibrationKind.DARK:
        return Prepared(pixels / np.float32(time_s), 1 / time_s, time_s)
    if applied.dark is not None:
        pixels = pixels - applied.dark.image * np.float32(time_s)
    light = float(np.nanmedian(pixels))
    if not light > 0:
        raise CalibrationInputsRefused.for_image(name, f"a flat of {light:.1f} ADU has no light")
    return Prepared(pixels / np.float32(light), 1 / light, time_s)


def dark_time_s(header: Mapping[str, Any], name: str) -> float:
    """Read how long charge was collected.

    Raises
    ------
    CalibrationInputsRefused
        If the header does not say.
    """
    for keyword in _EXPOSURE_TIMES:
        value = header.get(keyword)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return float(value)
    raise CalibrationInputsRefused.for_image(name, "its header has no DARKTIME and no EXPTIME")


def add_variance(
    kind: CalibrationKind, variance: Floats, applied: Applied, quantum: float, time_s: float
) -> Floats:
    """Add the variance of what was taken off: it is the same in all images."""
    if kind is CalibrationKind.BIAS or not applied.planes:
        return variance
    total = variance
    if applied.bias is not None:
        total = total + applied.bias.variance * np.float32(quantum**2)
    if kind is CalibrationKind.FLAT and applied.dark is not None:
        total = total + applied.dark.variance * np.float32((time_s * quantum) ** 2)
    return total


def live_level(image: Floats, dead_response: float) -> float:
    """Give the median of those pixels of a flat that see light: dead ones would lower it."""
    with np.errstate(invalid="ignore"):
        live = image[image > dead_response * np.nanmedian(image)]
    return float(np.median(live)) if live.size else float("nan")


def find_bad_pixels(
    kind: CalibrationKind,
    image: Floats,
    amplifiers: tuple[Box, ...],
    parameters: Mapping[str, float],
) -> npt.NDArray[np.uint8]:
    """Mark hot pixels of biases and darks, and dead ones of flats, against their amplifier."""
    mask = np.zeros(image.shape, dtype=np.uint8)
    mask[~np.isfinite(image)] = np.uint8(MaskPlane.NO_DATA)
    for top, bottom, left, right in amplifiers:
        part, marks = image[top:bottom, left:right], mask[top:bottom, left:right]
        level = np.nanmedian(part) if np.isfinite(part).any() else np.nan
        with np.errstate(invalid="ignore"):
            if kind is CalibrationKind.FLAT:
                marks[part < parameters["dead_response"] * level] |= np.uint8(MaskPlane.DEAD)
                marks[part > level / parameters["dead_response"]] |= np.uint8(MaskPlane.HOT)
            else:
                scatter = SIGMA_OF_MAD * np.nanmedian(np.abs(part - level))
                marks[part > level + parameters["hot_sigma"] * scatter] |= np.uint8(MaskPlane.HOT)
    return mask
