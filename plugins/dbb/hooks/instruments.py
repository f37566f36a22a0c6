"""Instruments as data: ``include/instruments/*.yaml``, read strictly."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from dbb.errors import PolicyUnreadable, UnknownInstrument
from dbb.model.instrument import Detector, FocalPlane, Instrument

FOLDER = Path(__file__).resolve().parents[3] / "include" / "instruments"
CANARY = FOLDER.with_name("canary")
"""The camera of the canary, which observes nothing."""

PURPOSES = frozenset({"SCIENCE", "WAVEFRONT", "GUIDER"})
LIGHT_PATH = "~"
"""What joins a filter and a grating, as Rubin writes it."""

_REQUIRED = frozenset(
    {"name", "camera_code", "header_names", "class_name", "detector_max", "exposure_max",
     "visit_max", "detectors", "physical_filters"}
)  # fmt: skip
_OPTIONAL = frozenset({"gratings", "more_filters", "focal_plane"})
_FOCAL_PLANE = frozenset({"arcsec_per_mm", "detector_mm", "padding_mm", "rafts", "slots"})
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~]*", re.ASCII)


class _Wrong(ValueError):
    """Say which rule a file breaks; the file's name is added once, at the edge."""


def load_instruments(folder: Path = FOLDER) -> dict[str, Instrument]:
    """Read the description of every instrument.

    Raises
    ------
    PolicyUnreadable
        If the folder has none, or a file is no YAML of the right shape.
    """
    found = {path.stem: _load(path) for path in sorted(folder.glob("*.yaml"))}
    if not found:
        raise PolicyUnreadable.for_file(str(folder), "it describes no instrument")
    return found


def load_instrument(name: str, folder: Path = FOLDER) -> Instrument:
    """Read the description of one instrument.

    Raises
    ------
    UnknownInstrument
        If there is none of that name.
    PolicyUnreadable
        If its file is no YAML of the right shape.
    """
    # The name may come from a folder's listing: it is looked up, never made into a path.
    for path in folder.glob("*.yaml"):
        if path.stem == name:
            return _load(path)
    raise UnknownInstrument.for_name(name)


def _load(path: Path) -> Instrument:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _instrument(document, path.stem)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, _Wrong) as error:
        raise PolicyUnreadable.for_file(str(path), error) from None


def _instrument(document: Any, name: str) -> Instrument:
    fields = _mapping(document, "the file")
    wrong = sorted(map(str, (fields.keys() ^ _REQUIRED) - _OPTIONAL))
    if wrong:
        raise _Wrong(f"unknown or missing fields: {', '.join(wrong)}")
    detectors = tuple(
        Detector(number, *rest) for number, rest in enumerate(_detectors(fields["detectors"]))
    )
    instrument = Instrument(
        name=_text(fields["name"], "name"),
        camera_code=_camera_code(fields["camera_code"]),
        header_names=tuple(_names(fields["header_names"], "header_names")),
        visit_max=_number(fields["visit_max"], "visit_max"),
        exposure_max=_number(fields["exposure_max"], "exposure_max"),
        detector_max=_number(fields["detector_max"], "detector_max"),
        class_name=_text(fields["class_name"], "class_name"),
        detectors=detectors,
        physical_filters=_physical_filters(fields),
        focal_plane=_focal_plane(fields["focal_plane"], detectors)
        if "focal_plane" in fields
        else None,
    )
    if instrument.name != name:
        raise _Wrong(f"it describes {instrument.name}")
    if len(instrument.by_name) != len(detectors) or len(instrument.by_suffix) != len(detectors):
        raise _Wrong("two detectors have one name")
    if len(detectors) > instrument.detector_max:
        raise _Wrong(f"there are more than {instrument.detector_max} detectors")
    return instrument


def _detectors(groups: Any) -> Iterator[tuple[str, str, str, str, str]]:
    """Give full name, raft, slot, purpose and the camera's name: rafts in order, slots within."""
    for number, group in enumerate(_list(groups, "detectors")):
        where = f"detectors[{number}]"
        fields = _mapping(group, where)
        if not {"rafts", "slots"} <= fields.keys() <= {"rafts", "slots", "camera_raft"}:
            raise _Wrong(f"{where} has rafts, slots and perhaps camera_raft")
        slots = _mapping(fields["slots"], f"{where}: slots")
        if not slots.keys() <= PURPOSES:
            raise _Wrong(f"{where}: a purpose is one of {', '.join(sorted(PURPOSES))}")
        for raft in _names(fields["rafts"], f"{where}: rafts"):
            for purpose in slots:
                for slot in _names(slots[purpose], f"{where}: {purpose}"):
                    camera_name = ""
                    if "camera_raft" in fields:
                        camera_name = f"{_text(fields['camera_raft'], where)}_{slot}"
                    yield f"{raft}_{slot}", raft, slot, str(purpose), camera_name


def _focal_plane(value: Any, detectors: tuple[Detector, ...]) -> FocalPlane:
    fields = _mapping(value, "focal_plane")
    if fields.keys() != _FOCAL_PLANE:
        raise _Wrong(f"focal_plane has {', '.join(sorted(_FOCAL_PLANE))}")
    rafts = _mapping(fields["rafts"], "focal_plane: rafts")
    slots = _mapping(fields["slots"], "focal_plane: slots")
    if rafts.keys() != {detector.raft for detector in detectors}:
        raise _Wrong("focal_plane: rafts are not those of the detectors")
    if slots.keys() != {detector.name_in_raft for detector in detectors}:
        raise _Wrong("focal_plane: slots are not those of the detectors")
    return FocalPlane(
        arcsec_per_mm=_positive(fields["arcsec_per_mm"], "focal_plane: arcsec_per_mm"),
        detector_mm=_positive(fields["detector_mm"], "focal_plane: detector_mm"),
        padding_mm=_positive(fields["padding_mm"], "focal_plane: padding_mm"),
        centres_mm={
            detector.full_name: _centre(rafts[detector.raft], slots[detector.name_in_raft])
            for detector in detectors
        },
    )


def _centre(raft: Any, slot: Any) -> tuple[float, float]:
    """Turn a slot with its raft, and move it to the raft's place."""
    raft_x, raft_y, *turn = _numbers(raft, 2, 3)
    x, y = _numbers(slot, 2, 2)
    angle = math.radians(turn[0] if turn else 0.0)
    sine, cosine = math.sin(angle), math.cos(angle)
    return raft_x + cosine * x - sine * y, raft_y + sine * x + cosine * y


def _physical_filters(fields: Mapping[str, Any]) -> dict[str, str | None]:
    gratings = _names(fields["gratings"], "gratings") if "gratings" in fields else []
    found: dict[str, str | None] = {}
    for band, name in _bands(fields["physical_filters"], "physical_filters"):
        paths = [name, *(f"{name}{LIGHT_PATH}{grating}" for grating in gratings)]
        if not found.keys().isdisjoint(paths):
            raise _Wrong(f"the filter {name} occurs twice")
        found.update(dict.fromkeys(paths, band))
    for band, name in _bands(fields.get("more_filters", {}), "more_filters"):
        if name in found:
            raise _Wrong(f"the filter {name} occurs twice")
        found[name] = band
    return found


def _bands(value: Any, where: str) -> Iterator[tuple[str, str]]:
    for band, names in _mapping(value, where).items():
        for name in _names(names, f"{where}: {band}"):
            yield _text(band, where), name


def _names(value: Any, where: str) -> list[str]:
    names = [_text(item, where) for item in _list(value, where)]
    if len(set(names)) != len(names):
        raise _Wrong(f"{where} has a name twice")
    return names


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise _Wrong(f"{where} is no list, or an empty one")
    return value


def _mapping(value: Any, where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _Wrong(f"{where} is no mapping")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise _Wrong(f"{where}: {value!a} is no plain name")
    return value


def _camera_code(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z]{2}", value, re.ASCII):
        raise _Wrong("camera_code is two capital letters")
    return value


def _number(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _Wrong(f"{where} is no positive whole number")
    return value


def _positive(value: Any, where: str) -> float:
    (number,) = _numbers([value], 1, 1)
    if number <= 0:
        raise _Wrong(f"{where} is not positive")
    return number


def _numbers(value: Any, least: int, most: int) -> list[float]:
    numbers = _list(value, "focal_plane: a place")
    if not least <= len(numbers) <= most or not all(
        isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
        for number in numbers
    ):
        raise _Wrong(f"focal_plane: {value!a} is not as many numbers as it should be")
    return [float(number) for number in numbers]
