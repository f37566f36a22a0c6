"""A camera of three detectors, so that a flow's test has six files an exposure and not 410."""

from __future__ import annotations

import json
from collections.abc import Iterable

from dbb.model.exposure import Unit
from dbb.model.instrument import Detector, Instrument
from support.fake_images import fake_image
from support.fake_store import MemoryStore

DETECTORS = ("R00_SG0", "R22_S11", "R22_S12")

TINY = Instrument(
    name="LSSTCam",
    camera_code="MC",
    header_names=("lsstCam",),
    visit_max=7050123199999,
    exposure_max=7050123199999,
    detector_max=256,
    class_name="dbb.hooks.butler_instruments.LsstCam",
    detectors=tuple(
        Detector(
            id=number,
            full_name=name,
            raft=name[:3],
            name_in_raft=name[4:],
            purpose="GUIDER" if "SG" in name else "SCIENCE",
        )
        for number, name in enumerate(DETECTORS)
    ),
    physical_filters={"r_57": "r"},
)


def unit_name(seq_num: int, day_obs: int = 20261121) -> str:
    """Name the unit of an exposure of the tiny camera."""
    return f"LSSTCam/{day_obs}/MC_O_{day_obs}_{seq_num:06d}"


def image_name(unit: str, detector: str) -> str:
    """Name the image of a detector at the source."""
    folder = Unit.parse(unit).folder
    return f"{folder}/{folder.leaf}_{TINY.by_name[detector].file_suffix}"


def header_name(unit: str, detector: str) -> str:
    """Name the header document of a detector at the source."""
    return image_name(unit, detector).removesuffix(".fits") + ".json"


def sensors_name(unit: str) -> str:
    """Name an exposure's list of expected sensors."""
    folder = Unit.parse(unit).folder
    return f"{folder}/{folder.leaf}_expectedSensors.json"


def take_exposure(
    store: MemoryStore,
    seq_num: int,
    *,
    detectors: Iterable[str] = DETECTORS,
    sensors: Iterable[str] | None = DETECTORS,
    **header: object,
) -> str:
    """Lay the files of an exposure into the source; give its unit's name.

    ``sensors`` are those that the camera announces; None leaves the list out.
    """
    name = unit_name(seq_num)
    for detector in detectors:
        put_detector(store, name, detector, **header)
    if sensors is not None:
        kinds = {sensor: "GUIDER" if "SG" in sensor else "SCIENCE" for sensor in sensors}
        document = {"obsId": name.rsplit("/", 1)[-1], "expectedSensors": kinds}
        store.put(sensors_name(name), json.dumps(document).encode())
    return name


def put_detector(store: MemoryStore, unit: str, detector: str, **header: object) -> None:
    """Lay one detector's image and header document into the source."""
    store.put(image_name(unit, detector), fake_image(Unit.parse(unit), detector, **header))
    obs_id = Unit.parse(unit).obs_id
    store.put(header_name(unit, detector), json.dumps({"OBSID": str(obs_id)}).encode())
