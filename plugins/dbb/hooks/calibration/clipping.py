"""Average a stack of images without its outliers: cosmic rays, glitches of the read-out.

A pixel's noise is judged twice: by the row of its amplifier, from the differences of consecutive
images (these hold thousands of pixels also where there are two images, and no structure of the
sky), and, where eight images or more allow it, by the pixel itself, which spares one that is noisier
than its neighbours: by how far its lower quartile lies below its median, for what disturbs a pixel
adds charge and leaves the lower half alone. The larger of both times ``clip_sigma`` is how far a
value may lie from the median. Neither moves with outliers, so one pass is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dbb.hooks.calibration.segments import Box

Floats = npt.NDArray[np.float32]

SIGMA_OF_MAD = 1.4826
SIGMA_OF_QUARTILE = 1 / 0.6745
"""What makes a standard deviation of a normal distribution's median deviation and lower quartile."""

OWN_NOISE_FROM = 8
"""Images from which a pixel's own scatter means something."""

MAX_PAIRS = 8
"""Differences of images that the noise of a row is taken from."""


@dataclass(frozen=True)
class Combined:
    """Hold a band of the average.

    Parameters
    ----------
    mean, variance
        The average of what was kept, and the variance of that average; NaN where nothing was.
    kept
        How many images went into each pixel.
    rejected
        For each image, how many of its pixels were left out.
    """

    mean: Floats
    variance: Floats
    kept: npt.NDArray[np.uint16]
    rejected: npt.NDArray[np.int64]


def row_noise(stack: Floats, amplifiers: Sequence[Box], first_row: int) -> Floats:
    """Estimate the noise of a single image in each row of each amplifier.

    Parameters
    ----------
    stack
        Images, rows, columns.
    amplifiers
        Where the amplifiers lie in the whole detector.
    first_row
        Which row of the detector the stack begins with.

    Returns
    -------
    array
        Rows, columns: the standard deviation.
    """
    rows, columns = stack.shape[1:]
    noise = np.zeros((rows, columns), dtype=np.float32)
    for top, bottom, left, right in amplifiers:
        lines = slice(max(top - first_row, 0), max(min(bottom - first_row, rows), 0))
        if lines.start < lines.stop:
            part = stack[:, lines, left:right]
            noise[lines, left:right] = _noise_of_rows(part)[:, np.newaxis]
    return noise


def _noise_of_rows(part: Floats) -> Floats:
    if len(part) > 1:
        picked = np.unique(np.linspace(0, len(part) - 2, min(len(part) - 1, MAX_PAIRS)).astype(int))
        differences = part[picked + 1] - part[picked]
    else:  # neighbours side by side
        differences = part[:, :, 1:] - part[:, :, :-1]
    with np.errstate(invalid="ignore"):
        differences -= _median(differences, axis=2)[:, :, np.newaxis]
        deviations = np.abs(np.moveaxis(differences, 1, 0).reshape(part.shape[1], -1))
        noise = SIGMA_OF_MAD / np.sqrt(2) * _median(deviations, axis=1)
    return np.asarray(np.nan_to_num(noise), dtype=np.float32)


def combine(stack: Floats, noise: Floats, clip_sigma: float, quantum: float) -> Combined:
    """Average a stack without its outliers.

    One image is taken as it is. Of two that differ by more than the noise explains the lower one is
    kept, for what disturbs a pixel adds charge.

    Parameters
    ----------
    stack
        Images, rows, columns; NaN is left out.
    noise
        Rows, columns: the noise of a single image.
    clip_sigma
        How many times its noise a value may lie from the median.
    quantum
        What one ADU is in the stack's units: no noise is smaller than that of rounding.
    """
    count = len(stack)
    noise = np.maximum(noise, np.float32(quantum / np.sqrt(12)))
    kept = _keep(stack, noise, clip_sigma)
    numbers = kept.sum(axis=0, dtype=np.uint16)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(kept, stack, 0).sum(axis=0, dtype=np.float64) / numbers
        if count >= OWN_NOISE_FROM:
            squares = np.where(kept, (stack - mean.astype(np.float32)) ** 2, 0)
            single = squares.sum(axis=0, dtype=np.float64) / np.maximum(numbers - 1, 1)
            single = np.where(numbers > 1, single, noise.astype(np.float64) ** 2)
        else:
            single = noise.astype(np.float64) ** 2
        variance = np.maximum(single, quantum**2 / 12) / numbers
    variance[numbers == 0] = np.nan
    rejected = stack[0].size - kept.sum(axis=(1, 2), dtype=np.int64)
    return Combined(mean.astype(np.float32), variance.astype(np.float32), numbers, rejected)


def _keep(stack: Floats, noise: Floats, clip_sigma: float) -> npt.NDArray[np.bool_]:
    count = len(stack)
    if count == 1:
        return np.isfinite(stack)
    if count == 2:
        limit = np.float32(clip_sigma * np.sqrt(2)) * noise
        with np.errstate(invalid="ignore"):
            higher = np.stack([stack[0] - stack[1] > limit, stack[1] - stack[0] > limit])
        return ~higher & np.isfinite(stack)
    middle, scale = _middle_and_scale(stack)
    with np.errstate(invalid="ignore"):
        kept: npt.NDArray[np.bool_] = np.abs(stack - middle) <= np.float32(clip_sigma) * np.maximum(
            noise, scale
        )
    return kept


def _middle_and_scale(stack: Floats) -> tuple[Floats, Floats]:
    """Find each pixel's median, and a standard deviation of its lower half (0 of few images)."""
    count = len(stack)
    if np.isnan(stack).any():
        middle = _median(stack, axis=0)
        if count < OWN_NOISE_FROM:
            return middle, np.zeros_like(middle)
        filled = np.where(np.isnan(stack), middle, stack)
    else:
        filled = stack
    ordered = np.ascontiguousarray(np.moveaxis(filled, 0, -1))
    ordered.sort(axis=-1)
    half = count // 2
    middle = ordered[..., half]
    if count % 2 == 0:
        middle = (ordered[..., half - 1] + middle) / np.float32(2)
    if count < OWN_NOISE_FROM:
        return middle, np.zeros_like(middle)
    return middle, (middle - ordered[..., count // 4]) * np.float32(SIGMA_OF_QUARTILE)


def _median(values: Floats, axis: int) -> Floats:
    if not np.isnan(values).any():
        return np.asarray(np.median(values, axis=axis), dtype=np.float32)
    nothing = np.isnan(values).all(axis=axis, keepdims=True)
    found = np.nanmedian(np.where(nothing, 0, values), axis=axis)
    found[np.squeeze(nothing, axis=axis)] = np.nan
    return np.asarray(found, dtype=np.float32)
