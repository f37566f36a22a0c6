"""A group of calibration exposures for the sandbox, with its truth and planted faults."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from dbb.hooks.instruments import load_instruments
from dbb.model.day_obs import DayObs
from dbb.model.exposure import ObsId
from dbb.model.instrument import Detector
from sandbox.synthetic_night.calibration_pixels import SATURATION_ADU, CalibrationBank, Physics
from sandbox.synthetic_night.camera import Exposure
from sandbox.synthetic_night.folder import Folder
from sandbox.synthetic_night.schedule import CADENCE, CALIBRATIONS_BEGIN, FILTERS, Shot

EXPOSURE_S = {"bias": 0.0, "dark": 30.0, "flat": 2.0}

FIRST_SEQ_NUM = 5_001
"""Number of the first exposure of a day's first group."""


class GroupFault(StrEnum):
    """What can be wrong with one exposure of a group, the second."""

    WRONG_TYPE = "wrong-type"
    """It is of another type than the rest."""
    MIXED_FILTER = "mixed-filter"
    """It was taken through another filter."""
    SATURATED = "saturated"
    """Every pixel is at the converter's limit."""
    ALL_ZERO = "all-zero"
    """Every pixel is 0."""
    OTHER_TIME = "other-time"
    """It was exposed twice as long."""
    MISSING_DETECTOR = "missing-detector"
    """The first detector's image and document never come."""


@dataclass(frozen=True)
class CalibrationGroup:
    """Hold a group that was written.

    Parameters
    ----------
    kind, physical_filter
        What it is.
    exposures
        In the order in which they were taken.
    images
        For each exposure and detector, where the image lies.
    bank
        Gives the truth of each detector.
    """

    kind: str
    physical_filter: str
    exposures: tuple[Exposure, ...]
    images: Mapping[tuple[int, int], Path]
    bank: CalibrationBank


def make_calibration_group(  # noqa: PLR0913  one keyword for each thing that a group may differ in
    root: Path,
    kind: str,
    *,
    exposures: int,
    detectors: Sequence[str] = (),
    instrument: str = "LSSTCam",
    day_obs: DayObs | int | str = 20261121,
    first_seq_num: int = FIRST_SEQ_NUM,
    physical_filter: str = "",
    seed: int = 0,
    pixels: int = 64,
    amplifiers: int = 1,
    overscan: int = 0,
    physics: Physics | None = None,
    fault: GroupFault | str | None = None,
) -> CalibrationGroup:
    """Write the files of a group below a folder, as the camera does, and give the truth.

    Parameters
    ----------
    root
        The folder that stands for the camera's store; it is made.
    kind
        ``bias``, ``dark`` or ``flat``.
    exposures
        How many.
    detectors
        Full names of those that take part; all without.
    instrument, day_obs, first_seq_num, physical_filter
        Whose they are and what they are called.
    seed, pixels, amplifiers, overscan
        The same seed makes the same detectors, and with the same names the same bytes.
    physics
        How the detectors behave.
    fault
        What is wrong with the second exposure (of a single one, the first).

    Raises
    ------
    KeyError
        If the kind or a detector is unknown.
    """
    camera = load_instruments()[instrument]
    chosen = [camera.by_name[name] for name in detectors] or list(camera.detectors)
    wrong = None if fault is None else GroupFault(fault)
    shots = list(
        _shots(instrument, camera.camera_code, DayObs.parse(str(day_obs)), kind, exposures,
               first_seq_num, physical_filter or FILTERS[instrument][0])
    )  # fmt: skip
    struck = min(1, exposures - 1)
    shots[struck] = _spoil(shots[struck], wrong)
    times_s = {str(shot.obs_id): (shot.end_tai - shot.begin_tai).total_seconds() for shot in shots}
    bank = CalibrationBank(seed, pixels, amplifiers, overscan, times_s, physics or Physics())
    if wrong in (GroupFault.SATURATED, GroupFault.ALL_ZERO):
        value = SATURATION_ADU if wrong is GroupFault.SATURATED else 0
        bank.spoilt[str(shots[struck].obs_id)] = value
    taken = tuple(Exposure(shot, chosen, bank) for shot in shots)
    images: dict[tuple[int, int], Path] = {}
    folder = Folder(root)
    for number, exposure in enumerate(taken):
        lost = chosen[0] if wrong is GroupFault.MISSING_DETECTOR and number == struck else None
        folder.put_all(_files(exposure, lost))
        images |= {
            (exposure.shot.obs_id.exposure_id, detector.id): root / exposure.image_name(detector)
            for detector in chosen
            if detector is not lost
        }
    return CalibrationGroup(kind, shots[0].physical_filter, taken, images, bank)


def _shots(
    instrument: str, camera_code: str, day_obs: DayObs, kind: str, exposures: int,
    first_seq_num: int, physical_filter: str,
) -> Iterator[Shot]:  # fmt: skip
    begin = dt.datetime.combine(day_obs.date, dt.time(12)) + CALIBRATIONS_BEGIN
    begin += max(0, first_seq_num - FIRST_SEQ_NUM) * CADENCE  # what is counted later is taken later
    for number in range(exposures):
        yield Shot(
            instrument=instrument,
            obs_id=ObsId(camera_code, "O", day_obs, first_seq_num + number),
            image_type=kind.upper(),
            physical_filter=physical_filter,
            begin_tai=begin + number * max(CADENCE, dt.timedelta(seconds=EXPOSURE_S[kind] + 3)),
            exposure_s=EXPOSURE_S[kind],
            azimuth_deg=180.0,
            elevation_deg=80.0,
            rotation_deg=0.0,
            temperature_c=12.0,
            index=number + 1,
            sequence_length=exposures,
        )


def _spoil(shot: Shot, fault: GroupFault | None) -> Shot:
    if fault is GroupFault.WRONG_TYPE:
        return replace(shot, image_type="FLAT" if shot.image_type == "BIAS" else "BIAS")
    if fault is GroupFault.MIXED_FILTER:
        filters = FILTERS[shot.instrument]
        return replace(shot, physical_filter=filters[filters.index(shot.physical_filter) - 1])
    if fault is GroupFault.OTHER_TIME:
        return replace(shot, exposure_s=2 * shot.exposure_s + 1)
    return shot


def _files(exposure: Exposure, lost: Detector | None) -> Iterator[tuple[str, bytes]]:
    names = set() if lost is None else {exposure.image_name(lost), exposure.document_name(lost)}
    return ((name, data) for name, data in exposure.files() if name not in names)
