"""Measure what a group's images and a payload's products are like, for the checks to judge.

The numbers are taken of the files themselves: what a payload says of its own products is recorded
but not believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.io import fits

from dbb.errors import UnreadableFits
from dbb.flows.calibration_checks import InputFacts, ProductFacts
from dbb.hooks.calibration.clipping import SIGMA_OF_MAD
from dbb.hooks.calibration.product import UNUSABLE, MaskPlane, Planes, read_product
from dbb.hooks.calibration.reader import InputReader, place_of
from dbb.hooks.calibration.segments import open_fits, parse_section
from dbb.hooks.translators import TRANSLATORS
from dbb.model.payload import CalibrationKind, PayloadInput

UNIT = {
    CalibrationKind.BIAS: "adu",
    CalibrationKind.DARK: "adu_per_s",
    CalibrationKind.FLAT: "relative",
}
"""What the names of numbers with a unit end in."""

INPUT_NUMBERS = frozenset({"median_adu", "saturated_fraction", "zero_fraction"})
"""What is measured of an image, and must have limits."""

SAMPLED_BANDS, BAND_ROWS = 16, 4
"""Of each amplifier, by which an image is judged: evenly spread; all rows of a small one.

To take rows out of a compressed image costs by the piece, not by the row: a row at a time is four
times as dear.
"""


def measure_input(
    given: PayloadInput,
    reader: InputReader,
    saturation_adu: float,
    instruments: Mapping[str, str],
) -> InputFacts:
    """Read an image's header and a sample of its pixels.

    Parameters
    ----------
    given
        The image.
    reader
        What reads and verifies it.
    saturation_adu
        From which value on a pixel is saturated.
    instruments
        Butler's names by the values of ``INSTRUME`` that mean them.

    Raises
    ------
    Damaged
        If it cannot be read or is not what the order pins.
    """
    name = place_of(given)
    with open_fits(name, reader.read(given)) as units:
        header = units[0].header
        samples = [_sample(name, unit) for unit in units if unit.is_image and unit.shape]
        if not samples:
            raise UnreadableFits.for_file(name, "it has no image")
        pixels = np.concatenate([sample.ravel() for sample in samples])
    raft, slot = _text(header, "RAFTBAY"), _text(header, "CCDSLOT")
    camera = _text(header, "INSTRUME")
    instrument = instruments.get(camera, camera)
    translator = TRANSLATORS.get(instrument)
    return InputFacts(
        dataset_id=given.dataset_id,
        exposure_id=given.exposure_id,
        detector=given.detector,
        obs_id=_text(header, "OBSID"),
        instrument=instrument,
        detector_name=f"{raft}_{slot}",
        image_type=_translate(translator, "observation_type", header, name),
        physical_filter=_translate(translator, "physical_filter", header, name),
        exposure_time_s=_number(header, "EXPTIME"),
        median_adu=_median(pixels),
        saturated_fraction=float(np.mean(pixels >= saturation_adu)),
        zero_fraction=float(np.mean(pixels == 0)),
    )


def measure_product(name: str, data: bytes, detector: int, kind: CalibrationKind) -> ProductFacts:
    """Read a product and measure its planes.

    Raises
    ------
    UnreadableFits
        If it is no FITS file with image, variance and mask.
    """
    header, planes = read_product(name, data)
    overscan = header.get("OVERSCAN", True)  # pipelines that do not say take it off
    return ProductFacts(detector, name, measure_planes(planes, kind, overscan=bool(overscan)))


def product_numbers(kind: CalibrationKind) -> frozenset[str]:
    """Name what is measured of a product, and must have limits."""
    names = {
        f"median_{UNIT[kind]}",
        f"noise_{UNIT[kind]}",
        "finite_fraction",
        "masked_fraction",
        "clipped_fraction",
        "positive_variance_fraction",
    }
    return frozenset(names | ({"residual_adu"} if kind is CalibrationKind.BIAS else set()))


def measure_planes(planes: Planes, kind: CalibrationKind, *, overscan: bool) -> dict[str, float]:
    """Measure planes: level, noise from pixel to pixel, and how much of them can be used.

    The level of a bias is named ``residual_adu`` where the overscan has been taken off, for it is
    then quite another number.
    """
    usable = ((planes.mask & np.uint8(UNUSABLE)) == 0) & np.isfinite(planes.image)
    good = planes.image[usable]
    side_by_side = usable[:, 1:] & usable[:, :-1]
    steps = (planes.image[:, 1:] - planes.image[:, :-1])[side_by_side]
    level = "residual_adu" if kind is CalibrationKind.BIAS and overscan else f"median_{UNIT[kind]}"
    with np.errstate(invalid="ignore"):
        positive = planes.variance > 0
    return {
        level: _median(good),
        f"noise_{UNIT[kind]}": SIGMA_OF_MAD / 2**0.5 * _median(np.abs(steps - _median(steps))),
        "finite_fraction": float(np.isfinite(planes.image).mean()),
        "masked_fraction": float(1 - usable.mean()),
        "clipped_fraction": float(((planes.mask & np.uint8(MaskPlane.CLIPPED)) != 0).mean()),
        "positive_variance_fraction": float((positive & np.isfinite(planes.variance)).mean()),
    }


def _median(values: Any) -> float:
    return float(np.median(values)) if values.size else float("nan")


def _sample(name: str, unit: Any) -> Any:
    """Take some rows of an image's data section."""
    rows, columns = unit.shape
    try:
        given = unit.header.get("DATASEC")
        box = (0, rows, 0, columns) if given is None else parse_section(given)[0]
        if box[1] - box[0] > SAMPLED_BANDS * BAND_ROWS:
            bands = np.linspace(box[0], box[1] - BAND_ROWS, SAMPLED_BANDS).astype(int)
            parts = [unit.section[first : first + BAND_ROWS, :] for first in bands]
            return np.concatenate(parts)[:, box[2] : box[3]]
        return unit.data[box[0] : box[1], box[2] : box[3]]
    except (ValueError, IndexError, TypeError, OSError) as error:
        raise UnreadableFits.for_file(name, error) from None


def _translate(translator: Any, what: str, header: Any, name: str) -> str:
    """Read a header as the exposure's record is made of it; empty where it cannot be."""
    if translator is None:
        return ""
    plain = {
        key: None if isinstance(value, fits.card.Undefined) else value
        for key, value in header.items()
    }
    try:
        return str(getattr(translator(plain, filename=name), f"to_{what}")())
    except (KeyError, TypeError, ValueError):
        return ""


def _text(header: Mapping[str, Any], keyword: str) -> str:
    value = header.get(keyword)
    return value.strip() if isinstance(value, str) else ""


def _number(header: Mapping[str, Any], keyword: str) -> float | None:
    value = header.get(keyword)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
