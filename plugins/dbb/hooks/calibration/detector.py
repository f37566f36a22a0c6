"""Make the calibration of one detector: verify, prepare, stack, average, mark, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dbb.errors import CalibrationInputsRefused
from dbb.hooks.calibration.clipping import combine, row_noise
from dbb.hooks.calibration.cube import Cube
from dbb.hooks.calibration.measuring import measure_planes
from dbb.hooks.calibration.product import MaskPlane, Planes, read_product, write_product
from dbb.hooks.calibration.reader import InputReader, place_of
from dbb.hooks.calibration.recipe import (
    UNITS,
    Applied,
    add_variance,
    find_bad_pixels,
    live_level,
    prepare,
)
from dbb.hooks.calibration.segments import Box, read_detector
from dbb.model.payload import CalibrationKind, PayloadInput, Product

Card = tuple[str, str | int | float | bool, str]


@dataclass(frozen=True)
class DetectorOrder:
    """Say what shall be made of one detector's images.

    Parameters
    ----------
    kind, instrument, physical_filter, detector
        Which calibration.
    raws
        The images, in the order's order.
    applied
        The calibrations that are applied first.
    path
        Where the product will lie.
    parameters
        All of `recipe.PARAMETERS`.
    payload
        Name and version, for the header.
    """

    kind: CalibrationKind
    instrument: str
    physical_filter: str
    detector: int
    raws: tuple[PayloadInput, ...]
    applied: tuple[PayloadInput, ...]
    path: Path
    parameters: Mapping[str, float]
    payload: tuple[str, str]


@dataclass(frozen=True)
class _Stacked:
    """Hold what is common to a stack of prepared images."""

    amplifiers: tuple[Box, ...]
    overscan: bool
    quantum: float
    time_s: float
    dates: tuple[str, str]


def make_calibration(order: DetectorOrder, reader: InputReader) -> Product:
    """Make and write one detector's calibration, still under an unfinished name.

    Raises
    ------
    BrokenContract, Damaged
        If an input is not what the order says, or nothing can be made of them.
    """
    applied = _read_applied(order, reader)
    with Cube(order.path.parent) as cube:
        stacked = _stack(order, reader, cube, applied)
        planes, rejected = _average(order, cube, stacked, applied)
    used = order.raws + order.applied
    left_out = [*map(int, rejected), *[0] * len(order.applied)]
    statistics = measure_planes(planes, order.kind, overscan=stacked.overscan)
    statistics |= {"images": float(len(order.raws)), "rejected_pixels": float(sum(left_out))}
    header = _header(order, stacked, applied, sum(left_out))
    write_product(order.path, header, planes, used, left_out)
    names = tuple(given.dataset_id for given in used)
    return Product(order.detector, order.path.name, names, statistics)


def _read_applied(order: DetectorOrder, reader: InputReader) -> Applied:
    found: dict[str, Planes] = {}
    overscan = False
    for given in order.applied:
        name = place_of(given)
        header, planes = read_product(name, reader.read(given))
        said = (header.get("OBSTYPE"), header.get("DETECTOR"))
        if said != (given.kind, order.detector):
            raise CalibrationInputsRefused.for_image(
                name, f"it is the {said[0]} of detector {said[1]}, not the {given.kind}"
            )
        found[given.kind] = planes
        if given.kind == CalibrationKind.BIAS:
            overscan = bool(header.get("OVERSCAN", True))
    return Applied(found.get("bias"), found.get("dark"), overscan)


def _stack(order: DetectorOrder, reader: InputReader, cube: Cube, applied: Applied) -> _Stacked:
    """Prepare the images one after the other; only one is in memory."""
    quanta, times, dates, layouts = [], [], [], set()
    for given in order.raws:
        name = place_of(given)
        image = read_detector(name, reader.read(given))
        layouts.add((image.pixels.shape, image.amplifiers, image.overscan))
        shapes = {planes.image.shape for planes in applied.planes} | {image.pixels.shape}
        if len(layouts) > 1 or len(shapes) > 1:
            raise CalibrationInputsRefused.for_image(
                name, "its size, amplifiers or overscan are not those of the rest of the group"
            )
        prepared = prepare(order.kind, image, applied, name)
        cube.add(prepared.pixels)
        quanta.append(prepared.quantum)
        times.append(prepared.time_s)
        dates.append([str(image.header.get(key) or "") for key in ("DATE-BEG", "DATE-END")])
    ((_, amplifiers, overscan),) = layouts
    return _Stacked(
        amplifiers,
        overscan,
        float(np.mean(quanta)),
        float(np.mean(times)),
        (min(date[0] for date in dates), max(date[1] for date in dates)),
    )


def _average(
    order: DetectorOrder, cube: Cube, stacked: _Stacked, applied: Applied
) -> tuple[Planes, npt.NDArray[np.int64]]:
    image = np.empty(cube.shape, dtype=np.float32)
    variance = np.empty(cube.shape, dtype=np.float32)
    clipped = np.empty(cube.shape, dtype=np.bool_)
    rejected = np.zeros(cube.count, dtype=np.int64)
    # a band is held about three times: as read, in order, and what is kept of it
    budget = int(order.parameters["band_mebibytes"] * 2**20 / 3)
    for rows, band in cube.bands(budget):
        noise = row_noise(band, stacked.amplifiers, rows.start)
        found = combine(band, noise, order.parameters["clip_sigma"], stacked.quantum)
        image[rows], variance[rows] = found.mean, found.variance
        clipped[rows] = found.kept < cube.count
        rejected += found.rejected
    if order.kind is CalibrationKind.FLAT:
        level = np.float32(live_level(image, order.parameters["dead_response"]))
        image /= level
        variance /= level**2
    total = add_variance(order.kind, variance, applied, stacked.quantum, stacked.time_s)
    mask = find_bad_pixels(order.kind, image, stacked.amplifiers, order.parameters)
    mask[clipped] |= np.uint8(MaskPlane.CLIPPED)
    for planes in applied.planes:
        mask |= planes.mask & np.uint8(MaskPlane.HOT | MaskPlane.DEAD)
    return Planes(image, total, mask), rejected


def _header(
    order: DetectorOrder, stacked: _Stacked, applied: Applied, rejected: int
) -> Sequence[Card]:
    cards: list[Card] = [
        ("INSTRUME", order.instrument, "Butler's name of the instrument"),
        ("DETECTOR", order.detector, "Butler's number of the detector"),
        ("OBSTYPE", str(order.kind), "kind of calibration"),
        ("FILTER", order.physical_filter, "physical filter of a flat"),
        ("BUNIT", UNITS[order.kind], "unit of the image"),
        ("DATE-BEG", stacked.dates[0], "begin of the first image (TAI)"),
        ("DATE-END", stacked.dates[1], "end of the last image (TAI)"),
        ("NCOMBINE", len(order.raws), "images combined"),
        ("NREJECT", rejected, "pixels of images left out"),
        ("DARKTIME", stacked.time_s, "mean time of collecting charge (s)"),
        ("OVERSCAN", stacked.overscan, "overscan level taken off by row"),
        ("BIASSUB", applied.bias is not None, "bias taken off"),
        ("DARKSUB", applied.dark is not None, "dark taken off"),
        ("PAYLOAD", order.payload[0], "what made it"),
        ("PAYLVERS", order.payload[1], "its version"),
    ]
    cards += [
        (f"DBB PARAMETER {name.upper()}", value, "")
        for name, value in sorted(order.parameters.items())
    ]
    used = order.raws + order.applied
    cards.append(("LSST BUTLER N_INPUTS", len(used), ""))
    cards += [
        (f"LSST BUTLER INPUT {number} ID", given.dataset_id, "")
        for number, given in enumerate(used)
    ]
    return cards
