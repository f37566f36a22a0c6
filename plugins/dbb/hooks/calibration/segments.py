"""Put a detector together of its amplifiers' segments: overscan off, data only, in place.

A raw file of LSSTCam has sixteen tile-compressed segments of 576 x 2048 pixels, of which ``DATASEC``
names those that saw the sky and ``DETSEC`` where they lie on the detector, backwards where the
amplifier is read out from the other side. A file without these keywords is one whole image.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from dbb.errors import UnreadableFits

Floats = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]
"""First row, row after the last, first column, column after the last."""

MIN_OVERSCAN_COLUMNS = 4
"""Fewer tell nothing of a row's level."""

_SECTION = re.compile(r"\[(\d{1,6}):(\d{1,6}),(\d{1,6}):(\d{1,6})\]")


@dataclass(frozen=True)
class DetectorImage:
    """Hold one exposure of one detector.

    Parameters
    ----------
    header
        The primary header.
    pixels
        Rows and columns of the detector, ADU.
    amplifiers
        Where each amplifier lies in them.
    overscan
        Whether each row's overscan level has been taken off.
    """

    header: dict[str, Any]
    pixels: Floats
    amplifiers: tuple[Box, ...]
    overscan: bool


@dataclass(frozen=True)
class _Segment:
    pixels: Floats
    box: Box
    overscan: bool


def read_detector(name: str, data: bytes) -> DetectorImage:
    """Read a raw file.

    Raises
    ------
    UnreadableFits
        If it is no FITS file with images, or its sections contradict each other.
    """
    with open_fits(name, data) as units:
        header = dict(units[0].header)
        images = [unit for unit in units if unit.is_image and unit.header.get("NAXIS") == 2]
        if not images:
            raise UnreadableFits.for_file(name, "it has no image")
        try:
            segments = [_segment(image) for image in images]
            size = header.get("DETSIZE") or images[0].header.get("DETSIZE")
            return _assemble(header, segments, size)
        except (ValueError, IndexError, TypeError, OSError) as error:
            raise UnreadableFits.for_file(name, error) from None


def open_fits(name: str, data: bytes) -> Any:
    """Open FITS in memory.

    Raises
    ------
    UnreadableFits
        If it is none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fits.verify.VerifyWarning)
            return fits.open(BytesIO(data), memmap=False)
    except (OSError, ValueError) as error:
        raise UnreadableFits.for_file(name, error) from None


def parse_section(text: object) -> tuple[Box, bool, bool]:
    """Read ``[x1:x2,y1:y2]``; give the box, and whether x and y run backwards.

    Raises
    ------
    ValueError
        If it is no section.
    """
    match = _SECTION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is no section")
    x1, x2, y1, y2 = (int(match[group]) for group in range(1, 5))
    box = (min(y1, y2) - 1, max(y1, y2), min(x1, x2) - 1, max(x1, x2))
    return box, x1 > x2, y1 > y2


def _segment(image: Any) -> _Segment:
    pixels = np.asarray(image.data, dtype=np.float32)
    rows, columns = pixels.shape
    given = image.header.get("DATASEC")
    box = (0, rows, 0, columns) if given is None else parse_section(given)[0]
    if box[1] > rows or box[3] > columns or min(box[0], box[2]) < 0:
        raise ValueError(f"DATASEC {given} leaves the image of {columns} x {rows} pixels")
    data = pixels[box[0] : box[1], box[2] : box[3]]
    behind = pixels[box[0] : box[1], box[3] :]
    overscan = behind.shape[1] >= MIN_OVERSCAN_COLUMNS
    if overscan:
        data = data - np.median(behind, axis=1, keepdims=True)
    place = image.header.get("DETSEC")
    if place is None:
        return _Segment(data, (0, data.shape[0], 0, data.shape[1]), overscan)
    where, backwards_x, backwards_y = parse_section(place)
    if backwards_x:
        data = data[:, ::-1]
    if backwards_y:
        data = data[::-1]
    return _Segment(data, where, overscan)


def _assemble(header: dict[str, Any], segments: list[_Segment], size: object) -> DetectorImage:
    if size is None:
        if len(segments) != 1:
            raise ValueError("it has several images and no DETSIZE")
        shape = segments[0].pixels.shape
    else:
        box = parse_section(size)[0]
        shape = (box[1] - box[0], box[3] - box[2])
    pixels = np.full(shape, np.nan, dtype=np.float32)
    covered = 0
    for segment in segments:
        rows, columns = slice(*segment.box[:2]), slice(*segment.box[2:])
        if pixels[rows, columns].shape != segment.pixels.shape:
            raise ValueError(f"an amplifier of {segment.pixels.shape} does not fit its DETSEC")
        pixels[rows, columns] = segment.pixels
        covered += segment.pixels.size
    if covered != pixels.size:
        raise ValueError(f"its amplifiers cover {covered} of {pixels.size} pixels")
    if len({segment.overscan for segment in segments}) != 1:
        raise ValueError("some amplifiers have an overscan and some have none")
    boxes = tuple(segment.box for segment in segments)
    return DetectorImage(header, pixels, boxes, segments[0].overscan)
