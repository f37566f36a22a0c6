"""Make a night: write its files as the camera does, keep back what is late, send again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dbb.hooks.instruments import load_instruments
from dbb.model.day_obs import DayObs
from sandbox.synthetic_night import faults as catalogue
from sandbox.synthetic_night.camera import Camera, Exposure
from sandbox.synthetic_night.faults import Kind
from sandbox.synthetic_night.folder import Folder
from sandbox.synthetic_night.plan import Fault, NightPlan, PlannedExposure

PROFILES = {"S": 20, "M": 325, "L": 3250}
"""Exposures of the main camera: a try-out, a tenth of a night, the largest night."""

SMALL_CAMERA_SHARE = 10
"""The spectrograph takes a tenth as many."""

Progress = Callable[[int, int, str], None]
"""Takes the number of exposures written, of all, and the unit just written."""


def make_night(  # noqa: PLR0913  one keyword for each thing that a night may differ in
    root: Path | str,
    day_obs: DayObs | int | str,
    profile: str = "S",
    *,
    exposures: int | None = None,
    seed: int = 0,
    pixels: int = 64,
    amplifiers: int = 1,
    faults: Mapping[str, int] | Iterable[str] = (),
    instruments: Sequence[str] = ("LSSTCam", "LATISS"),
    detectors: Sequence[str] = (),
    progress: Progress | None = None,
) -> NightPlan:
    """Write a night's files below a folder, and say what was written.

    Parameters
    ----------
    root
        The folder that stands for the camera's store; it is made.
    day_obs
        The observing day.
    profile, exposures
        ``S``, ``M`` or ``L``, or the number of exposures itself.
    seed
        The same seed makes the same bytes.
    pixels, amplifiers
        The side of an amplifier's image, and how many an image has (16 in reality).
    faults
        Names of the catalogue, each with a number (1 without): as many exposures of the first
        instrument get it, each at most one.
    instruments
        The instruments that observe.
    detectors
        Full names of the detectors that take part; all without.
    progress
        Called after each exposure.

    Raises
    ------
    ValueError
        If there are more faults than exposures, or one is not in the catalogue.
    """
    number = PROFILES[profile] if exposures is None else exposures
    known = load_instruments()
    counts = {
        name: number if len(known[name].detectors) > 1 else max(1, number // SMALL_CAMERA_SHARE)
        for name in instruments
    }
    plan = NightPlan(
        root=str(root),
        day_obs=DayObs.parse(str(day_obs)).value,
        seed=seed,
        pixels=pixels,
        amplifiers=amplifiers,
        counts=counts,
        only_detectors=tuple(detectors),
    )
    camera = Camera(plan, known)
    plan = replace(plan, exposures=tuple(_planned(camera, _numbers(faults))))
    folder = Folder(Path(root))
    for index, planned in enumerate(plan.exposures, 1):
        exposure = camera.exposures[planned.unit]
        folder.put_all(catalogue.arriving(exposure, planned.fault, seed))
        if progress is not None:
            progress(index, len(plan.exposures), planned.unit)
    return plan


def deliver_late(plan: NightPlan) -> list[str]:
    """Write the files that were kept back and the second copies; name them."""
    return _deliver(plan, catalogue.arriving_late)


def resend_good(plan: NightPlan) -> list[str]:
    """Write good copies of the files that were damaged; name them."""
    return _deliver(plan, catalogue.sent_again)


def _deliver(
    plan: NightPlan, make: Callable[[Exposure, Fault], Iterator[tuple[str, bytes]]]
) -> list[str]:
    camera, folder = Camera(plan, load_instruments()), Folder(Path(plan.root))
    written = []
    for unit, fault in plan.faults.items():
        written += folder.put_all(make(camera.exposures[unit], fault))
    return written


def _numbers(faults: Mapping[str, int] | Iterable[str]) -> dict[Kind, int]:
    if isinstance(faults, Mapping):
        return {Kind(kind): number for kind, number in faults.items()}
    return {Kind(kind): 1 for kind in faults}


def _planned(camera: Camera, faults: Mapping[Kind, int]) -> Iterator[PlannedExposure]:
    plan = camera.plan
    rng = random.Random(f"{plan.seed}:faults")  # noqa: S311  reproducible on purpose
    kinds = [kind for kind, number in faults.items() for _ in range(number)]
    first = next(iter(plan.counts))
    units = [unit for unit in camera.exposures if unit.startswith(f"{first}/")]
    if len(kinds) > len(units):
        raise ValueError(f"{len(kinds)} faults need as many exposures, there are {len(units)}")
    struck = dict(zip(rng.sample(units, len(kinds)), kinds, strict=True))
    for unit, exposure in camera.exposures.items():
        fault = catalogue.choose(struck[unit], exposure, rng) if unit in struck else None
        yield PlannedExposure(
            unit=unit,
            image_type=exposure.shot.image_type,
            physical_filter=exposure.shot.physical_filter,
            detectors=len(exposure.detectors),
            fault=fault,
        )
