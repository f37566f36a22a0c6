"""Hold a group's images and a payload's products against the suites and limits of the instrument."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from dbb.errors import PolicyUnreadable
from dbb.flows.calibration_checks import (
    Finding,
    Group,
    InputFacts,
    Limits,
    ProductFacts,
    Range,
    find_input_faults,
    find_product_faults,
    refuse_inputs,
    refuse_products,
)
from dbb.hooks.calibration.limits import load_limits
from dbb.hooks.calibration.measuring import INPUT_NUMBERS, measure_input, measure_product
from dbb.hooks.calibration.pool import count_cores, work_in_processes
from dbb.hooks.calibration.reader import InputReader
from dbb.hooks.expectations import Suite, sets_of, validate_rows
from dbb.model.exposure import SEQ_NUM_LIMIT
from dbb.model.instrument import Instrument
from dbb.model.payload import CalibrationKind, PayloadInput, PayloadOrder, Product
from dbb.settings import INCLUDE

IMAGES_SUITE = INCLUDE / "expectations" / "calibration_images.yaml"
NUMBERS_SUITE = INCLUDE / "expectations" / "calibration_numbers.yaml"


class CalibrationJudge:
    """Judge the orders and products of one instrument.

    Parameters
    ----------
    instrument
        The camera.
    limits
        What is expected of its calibrations; its file in ``include/calibration`` without.
    processes
        How many images are measured at once; as many as there are cores without.
    """

    def __init__(
        self, instrument: Instrument, limits: Limits | None = None, processes: int | None = None
    ) -> None:
        self.instrument = instrument
        self.limits = limits or load_limits(instrument.name)
        self.processes = processes or count_cores()

    def check_inputs(self, order: PayloadOrder, detectors: Sequence[int]) -> list[InputFacts]:
        """Measure the images of an order and judge them.

        Parameters
        ----------
        order
            What is to be made of what.
        detectors
            The detectors that every exposure must have.

        Raises
        ------
        CalibrationInputsRefused
            Naming exposures, detectors and rules.
        Damaged
            If an image's bytes are not those that the order pins.
        PolicyUnreadable
            If the limits or a suite cannot be used.
        """
        group = _group(order, detectors)
        self.limits.of(order.kind)
        raws = [given for given in order.inputs if given.kind == "raw"]
        names = dict.fromkeys(self.instrument.header_names, self.instrument.name)
        work = partial(_measure_inputs, self.limits.saturation_adu, names)
        images = work_in_processes("measuring", work, raws, self.processes)
        images.sort(key=lambda image: (image.exposure_id, image.detector))
        findings = find_input_faults(group, images, self.limits)
        if images:
            findings += self._judge_headers(group, images)
            findings += self._judge_numbers(
                [
                    (f"exposure {image.exposure_id} detector {image.detector}", name, value)
                    for image in images
                    for name, value in asdict(image).items()
                    if name in INPUT_NUMBERS
                ],
                self.limits.of(order.kind).inputs,
            )
        refuse_inputs(group, findings)
        return images

    def check_products(
        self,
        order: PayloadOrder,
        products: Sequence[Product],
        detectors: Sequence[int],
        in_force: Sequence[PayloadInput] = (),
    ) -> list[ProductFacts]:
        """Measure the products in an order's folder and judge them.

        Parameters
        ----------
        order, products
            What was ordered, and what the payload gave.
        detectors
            The detectors that must have a product.
        in_force
            The calibrations in force, of the same kind and filter.

        Raises
        ------
        CalibrationProductRefused
            Naming detectors and rules.
        UnreadableFits
            If a product is no FITS file with its three planes.
        PolicyUnreadable
            If the limits or a suite cannot be used.
        """
        group = _group(order, detectors)
        kind = order.kind
        made = [(order.folder / product.file, product.detector) for product in products]
        facts = work_in_processes("measuring", partial(_measure_files, kind), made, self.processes)
        facts.sort(key=lambda product: product.detector)
        before = {
            product.detector: product.numbers
            for product in work_in_processes(
                "measuring", partial(_measure_in_force, kind), list(in_force), self.processes
            )
        }
        findings = find_product_faults(group, facts, self.limits, before)
        if facts:
            findings += self._judge_numbers(
                [
                    (f"detector {product.detector}", name, value)
                    for product in facts
                    for name, value in product.numbers.items()
                ],
                self.limits.of(kind).products,
            )
        refuse_products(group, findings)
        return facts

    def _judge_headers(self, group: Group, images: Sequence[InputFacts]) -> list[Finding]:
        names = {detector.id: detector.name_in_files for detector in self.instrument.detectors}
        rows = [_row(group, image, names.get(image.detector)) for image in images]
        sets = sets_of(self.instrument)
        sets["image_types"] = list(self.limits.of(group.kind).image_types)
        failed = validate_rows(Suite.load(IMAGES_SUITE), rows, sets, IMAGES_SUITE)
        by_unit = {str(row["unit"]): row for row in rows}
        return [
            Finding(unit, f"not so: {title} ({_told(by_unit[unit])})")
            for title, units in failed.items()
            for unit in units
        ]

    def _judge_numbers(
        self, numbers: Sequence[tuple[str, str, float]], ranges: Mapping[str, Range]
    ) -> list[Finding]:
        rows: dict[str, dict[str, Any]] = {}
        for subject, name, value in numbers:
            if name not in ranges:
                raise PolicyUnreadable.for_file(
                    f"calibration/{self.instrument.name}.yaml", f"{name} has no limits"
                )
            rows[f"{subject} {name}"] = {
                "unit": f"{subject} {name}",
                "subject": subject,
                "name": name,
                "value": None if math.isnan(value) else value,
                "low": ranges[name].low,
                "high": ranges[name].high,
            }
        failed = validate_rows(Suite.load(NUMBERS_SUITE), list(rows.values()), {}, NUMBERS_SUITE)
        return [_number_finding(rows[unit]) for units in failed.values() for unit in units]


def _group(order: PayloadOrder, detectors: Sequence[int]) -> Group:
    return Group(order.kind, order.instrument, order.physical_filter, tuple(detectors))


def _row(group: Group, image: InputFacts, detector: str | None) -> dict[str, Any]:
    """Make one line of the table: the facts, and what the order says of the image."""
    day, _, number = image.obs_id.rpartition("_")
    day = day.rpartition("_")[2]
    known = day.isdecimal() and number.isdecimal()
    flat = group.kind is CalibrationKind.FLAT
    return {
        **asdict(image),
        "unit": f"exposure {image.exposure_id} detector {image.detector}",
        "image_type": image.image_type or None,
        "instrument_of_order": group.instrument,
        "exposure_of_header": int(day) * SEQ_NUM_LIMIT + int(number) if known else -1,
        "detector_of_order": detector or "none",
        "filter_of_flat": image.physical_filter if flat else None,
        "filter_of_order": group.physical_filter if flat else None,
    }


def _told(row: Mapping[str, Any]) -> str:
    names = ("obs_id", "detector_name", "image_type", "physical_filter", "exposure_time_s")
    return ", ".join(f"{name} {row[name]!r}" for name in names)


def _number_finding(row: Mapping[str, Any]) -> Finding:
    value = "no number" if row["value"] is None else f"{row['value']:.6g}"
    limits = f"{row['low']:.6g} to {row['high']:.6g}"
    return Finding(str(row["subject"]), f"{row['name']} is {value}, expected is {limits}")


def _measure_inputs(
    saturation_adu: float, names: Mapping[str, str], inputs: Sequence[PayloadInput]
) -> list[InputFacts]:
    with InputReader() as reader:
        return [measure_input(given, reader, saturation_adu, names) for given in inputs]


def _measure_files(kind: CalibrationKind, files: Sequence[tuple[Path, int]]) -> list[ProductFacts]:
    return [
        measure_product(path.name, path.read_bytes(), detector, kind) for path, detector in files
    ]


def _measure_in_force(kind: CalibrationKind, inputs: Sequence[PayloadInput]) -> list[ProductFacts]:
    with InputReader() as reader:
        return [
            measure_product(given.path.name, reader.read(given), given.detector, kind)
            for given in inputs
        ]
