"""The built-in payload: one detector after the other on every core, published all at once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from dbb.errors import CalibrationInputsRefused, PolicyUnreadable
from dbb.hooks.calibration.detector import DetectorOrder, make_calibration
from dbb.hooks.calibration.pool import count_cores, work_in_processes
from dbb.hooks.calibration.product import PART, publish
from dbb.hooks.calibration.reader import InputReader
from dbb.hooks.calibration.recipe import PARAMETERS
from dbb.model.payload import CalibrationKind, PayloadInput, PayloadOrder, Product

NAME = "dbb-combine"
VERSION = "1"
"""Another version whenever the same order would give other pixels."""

_APPLIED = {
    CalibrationKind.BIAS: (),
    CalibrationKind.DARK: ("bias",),
    CalibrationKind.FLAT: ("bias", "dark"),
}
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class CombiningPayload:
    """Average the images of each detector without their outliers.

    Parameters
    ----------
    processes
        How many detectors are worked at the same time; as many as there are cores without.
    """

    name = NAME
    version = VERSION

    def __init__(self, processes: int | None = None) -> None:
        self.processes = processes or count_cores()

    def run(self, order: PayloadOrder) -> Sequence[Product]:
        """Make one product for each detector of the order; see `Payload.run`.

        Raises
        ------
        CalibrationInputsRefused
            If nothing can be made of the inputs, or one is not what the order says.
        Damaged
            If an input's bytes are not those that the order pins.
        PayloadInterrupted
            If one of the processes was killed, for instance for want of memory.
        PolicyUnreadable
            If the order has a parameter that this payload does not know.
        """
        _sweep(order.folder)
        jobs = _plan(order, (self.name, self.version))
        try:
            made = work_in_processes(self.name, make_calibrations, jobs, self.processes)
            products = sorted(made, key=lambda product: product.detector)
            publish(order.folder / product.file for product in products)
        except BaseException:
            for job in jobs:
                job.path.unlink(missing_ok=True)
            _sweep(order.folder)
            raise
        return products


def make_calibrations(jobs: Sequence[DetectorOrder]) -> list[Product]:
    """Make the calibrations of some detectors, one after the other."""
    with InputReader() as reader:
        return [make_calibration(job, reader) for job in jobs]


def _plan(order: PayloadOrder, payload: tuple[str, str]) -> list[DetectorOrder]:
    """Share the inputs out to the detectors, and check that each detector has what it needs."""
    parameters = check_parameters(order.parameters)
    raws: dict[int, list[PayloadInput]] = defaultdict(list)
    applied: dict[tuple[int, str], PayloadInput] = {}
    for given in order.inputs:
        if given.kind == "raw":
            raws[given.detector].append(given)
        elif given.kind not in _APPLIED[order.kind]:
            raise CalibrationInputsRefused.for_image(
                str(given.path), f"a {given.kind} is not applied to a {order.kind}"
            )
        elif applied.setdefault((given.detector, given.kind), given) is not given:
            raise CalibrationInputsRefused.for_image(
                str(given.path), f"it is the second {given.kind} of detector {given.detector}"
            )
    if not raws:
        raise CalibrationInputsRefused.for_image(str(order.folder), "the order has no raw image")
    return [
        DetectorOrder(
            kind=order.kind,
            instrument=order.instrument,
            physical_filter=order.physical_filter,
            detector=detector,
            raws=tuple(raws[detector]),
            applied=tuple(
                applied[detector, kind]
                for kind in _APPLIED[order.kind]
                if (detector, kind) in applied
            ),
            path=order.folder / _file_name(order, detector),
            parameters=parameters,
            payload=payload,
        )
        for detector in sorted(raws)
    ]


def check_parameters(given: Mapping[str, str | int | float]) -> dict[str, float]:
    """Complete an order's parameters.

    Raises
    ------
    PolicyUnreadable
        If one is unknown or no positive number.
    """
    found = dict(PARAMETERS)
    for name, value in given.items():
        if name not in PARAMETERS or isinstance(value, str | bool) or not value > 0:
            known = ", ".join(sorted(PARAMETERS))
            raise PolicyUnreadable.for_file(
                NAME, f"{name} = {value!r}: positive numbers are {known}"
            )
        found[name] = value
    return found


def _file_name(order: PayloadOrder, detector: int) -> str:
    words = [order.instrument, str(order.kind), order.physical_filter, f"{detector:03d}"]
    return "_".join(_UNSAFE.sub("-", word) for word in words if word) + ".fits"


def _sweep(folder: Path) -> None:
    """Take away what a killed run left unfinished."""
    for path in folder.glob(f"*{PART}"):
        path.unlink(missing_ok=True)
