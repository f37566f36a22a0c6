"""Write and read calibrations: tile-compressed FITS with planes as Rubin's pipelines name them.

``IMAGE`` and ``VARIANCE`` are 32-bit floating point in GZIP_2 tiles: RICE would have to quantise
them, and what is flat-fielded with a product should not depend on how it was stored. GZIP_2 sorts
the bytes by their weight first and loses nothing. ``MASK`` is 8-bit in RICE_1 tiles, also without
loss. The table ``INPUTS`` says what went into it. No card and no tile has a time of its own: the
same order makes the same bytes.
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntFlag
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.io.fits.hdu.compressed import _codecs

from dbb.errors import UnreadableFits
from dbb.hooks.calibration.segments import open_fits
from dbb.hooks.fits_checksum import encode, ones_complement_sum
from dbb.hooks.fits_header import CARD_BYTES
from dbb.hooks.fits_structure import FitsUnit, read_units
from dbb.model.payload import PayloadInput

PART = ".part"
"""What the name of an unfinished product ends in."""

GZIP_MAGIC = b"\x1f\x8b"


class MaskPlane(IntFlag):
    """Name the bits of a mask."""

    HOT = 1
    """It has far more charge than its neighbours: not to be used."""
    DEAD = 2
    """It sees too little light: not to be used."""
    CLIPPED = 4
    """At least one image was left out as an outlier; the average is good."""
    NO_DATA = 8
    """No image had a value: not to be used."""


UNUSABLE = MaskPlane.HOT | MaskPlane.DEAD | MaskPlane.NO_DATA


@dataclass(frozen=True)
class Planes:
    """Hold the pixels of a calibration."""

    image: npt.NDArray[np.float32]
    variance: npt.NDArray[np.float32]
    mask: npt.NDArray[np.uint8]


def read_product(name: str, data: bytes) -> tuple[dict[str, Any], Planes]:
    """Read a calibration: the primary header, and the planes in memory of their own.

    Raises
    ------
    UnreadableFits
        If it is no FITS file with the three planes.
    """
    with open_fits(name, data) as units:
        try:
            planes = Planes(
                np.array(units["IMAGE"].data, dtype=np.float32),
                np.array(units["VARIANCE"].data, dtype=np.float32),
                np.array(units["MASK"].data, dtype=np.uint8),
            )
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise UnreadableFits.for_file(name, error) from None
        if not planes.image.shape == planes.variance.shape == planes.mask.shape:
            raise UnreadableFits.for_file(name, "its planes differ in size")
        return dict(units[0].header), planes


def write_product(
    path: Path,
    header: Iterable[tuple[str, str | int | float | bool, str]],
    planes: Planes,
    inputs: Sequence[PayloadInput],
    rejected: Sequence[int],
) -> None:
    """Write a calibration under the name of an unfinished one; ``publish`` gives it its own.

    Parameters
    ----------
    path
        The name that it will have.
    header
        Keyword, value and comment of each card.
    planes
        The pixels.
    inputs, rejected
        What went into it, and how many pixels of each were left out.
    """
    primary = fits.PrimaryHDU()
    for keyword, value, comment in header:
        long = len(keyword) > 8
        primary.header["HIERARCH " + keyword if long else keyword] = (
            value if long else (value, comment)
        )
    units = fits.HDUList(
        [
            primary,
            _plane("IMAGE", planes.image, "GZIP_2"),
            _mask(planes.mask),
            _plane("VARIANCE", planes.variance, "GZIP_2"),
            _table(inputs, rejected),
        ]
    )
    stream = io.BytesIO()
    with _fast_gzip():
        units.writeto(stream, checksum=True)
    part = part_of(path)
    with part.open("wb") as file:
        file.write(_without_times(path.name, stream.getbuffer()))
        file.flush()
        os.fsync(file.fileno())


def publish(paths: Iterable[Path]) -> None:
    """Give finished products their names."""
    folders = set()
    for path in paths:
        part_of(path).replace(path)
        folders.add(path.parent)
    for folder in folders:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def part_of(path: Path) -> Path:
    """Name a product as long as it is unfinished."""
    return path.with_name(path.name + PART)


@contextmanager
def _fast_gzip() -> Iterator[None]:
    """Have astropy compress at gzip's fastest level; its own choice is the slowest.

    Averages of whole numbers repeat few values in ever new order, on which the slowest level spends
    four fifths of a product's CPU time to save a few per cent of its bytes. astropy has no setting
    for the level, so its function is replaced meanwhile; a test looks at the tiles.
    """
    original = _codecs.gzip_compress
    _codecs.gzip_compress = partial(gzip.compress, compresslevel=1)
    try:
        yield
    finally:
        _codecs.gzip_compress = original


def _plane(name: str, pixels: npt.NDArray[Any], compression: str) -> fits.CompImageHDU:
    # A quantize level of 0 is none at all: floating point stays what it is.
    return fits.CompImageHDU(
        pixels,
        name=name,
        compression_type=compression,
        quantize_level=0.0,
        tile_shape=(min(16, pixels.shape[0]), pixels.shape[1]),
    )


def _mask(pixels: npt.NDArray[np.uint8]) -> fits.CompImageHDU:
    unit = _plane("MASK", pixels, "RICE_1")
    for plane in MaskPlane:
        unit.header[f"HIERARCH MP_{plane.name}"] = int(plane).bit_length() - 1
    return unit


def _table(inputs: Sequence[PayloadInput], rejected: Sequence[int]) -> fits.BinTableHDU:
    columns = [
        fits.Column("uuid", "36A", array=[given.dataset_id for given in inputs]),
        fits.Column("sha256", "64A", array=[given.sha256 for given in inputs]),
        fits.Column("kind", "8A", array=[given.kind for given in inputs]),
        fits.Column("exposure", "K", array=[given.exposure_id for given in inputs]),
        fits.Column("rejected", "K", array=list(rejected)),
    ]
    return fits.BinTableHDU.from_columns(columns, name="INPUTS")


def _without_times(name: str, buffer: memoryview) -> bytearray:
    """Take the times out of astropy's checksum cards and of gzip's headers, and sum up again."""
    data = bytearray(buffer)
    for unit in read_units(name, bytes(buffer)):
        if unit.get("ZCMPTYPE") == "GZIP_2":
            _forget_gzip_times(data, unit)
        places = {key: unit.begin + unit.positions[key] for key in (b"CHECKSUM", b"DATASUM ")}
        data_sum = ones_complement_sum(memoryview(data)[unit.data_begin : unit.end])
        _card(data, places[b"DATASUM "], "DATASUM", str(data_sum))
        _card(data, places[b"CHECKSUM"], "CHECKSUM", "0" * 16)
        total = ones_complement_sum(bytes(data[unit.begin : unit.data_begin]), data_sum)
        _card(data, places[b"CHECKSUM"], "CHECKSUM", encode(total))
    return data


def _forget_gzip_times(data: bytearray, unit: FitsUnit) -> None:
    """Say 0, no time, in each tile: bytes 4 to 7 of a gzip header (RFC 1952)."""
    header = unit.cards()
    width, rows = cast(int, header["NAXIS1"]), cast(int, header["NAXIS2"])
    kind = np.dtype(">i4" if str(header["TFORM1"]).startswith("1P") else ">i8")
    heap = unit.data_begin + cast(int, header.get("THEAP", width * rows))
    for row in range(rows):
        size, offset = np.frombuffer(data, kind, 2, unit.data_begin + row * width)
        if size:
            place = heap + int(offset)
            if data[place : place + 2] != GZIP_MAGIC:
                raise ValueError(f"tile {row} of {header.get('EXTNAME')} is no gzip")
            data[place + 4 : place + 8] = bytes(4)


def _card(data: bytearray, place: int, keyword: str, value: str) -> None:
    card = f"{keyword:8}= '{value:8}'".ljust(CARD_BYTES)
    data[place : place + CARD_BYTES] = card.encode("ascii")
