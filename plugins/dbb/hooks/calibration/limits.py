"""What is expected of calibrations: ``include/calibration/<instrument>.yaml``, read strictly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbb.documents import read_document
from dbb.errors import PolicyUnreadable
from dbb.flows.calibration_checks import KindLimits, Limits, Range
from dbb.hooks.calibration.measuring import INPUT_NUMBERS, product_numbers
from dbb.model.payload import CalibrationKind
from dbb.settings import INCLUDE

FOLDER = INCLUDE / "calibration"

_LIMITS = {"instrument", "incomplete_after_s", "saturation_adu", "kinds"}
_KIND = {"image_types", "exposure_time_tolerance_s", "inputs", "products", "drift"}


def load_limits(instrument: str, folder: Path = FOLDER) -> Limits:
    """Read the limits of an instrument.

    Raises
    ------
    PolicyUnreadable
        If the file is not there or breaks a rule, or a number that is measured has no limit:
        nothing passes unjudged.
    """
    path = folder / f"{instrument}.yaml"
    document = read_document(path)
    where = f"calibration/{path.name}"
    _check_fields(document, _LIMITS, where)
    if document["instrument"] != instrument:
        raise PolicyUnreadable.for_file(where, f"it is of {document['instrument']!r}")
    kinds = document["kinds"]
    if not isinstance(kinds, dict) or not kinds or set(kinds) - set(CalibrationKind):
        raise PolicyUnreadable.for_file(where, "kinds are bias, dark and flat")
    return Limits(
        instrument,
        _number(document["saturation_adu"], where),
        {
            CalibrationKind(kind): _kind_limits(CalibrationKind(kind), given, f"{where}: {kind}")
            for kind, given in kinds.items()
        },
    )


def _kind_limits(kind: CalibrationKind, given: Any, where: str) -> KindLimits:
    _check_fields(given, _KIND, where)
    types = given["image_types"]
    if not (isinstance(types, list) and types and all(isinstance(each, str) for each in types)):
        raise PolicyUnreadable.for_file(where, "image_types are words")
    products = _ranges(given["products"], product_numbers(kind), where)
    drift = given["drift"]
    if not isinstance(drift, dict) or set(drift) - set(products):
        raise PolicyUnreadable.for_file(where, "a drift is of a number of products")
    return KindLimits(
        image_types=tuple(types),
        exposure_time_tolerance_s=_number(given["exposure_time_tolerance_s"], where),
        inputs=_ranges(given["inputs"], INPUT_NUMBERS, where),
        products=products,
        drift={name: _number(value, where) for name, value in drift.items()},
    )


def _ranges(given: Any, names: frozenset[str], where: str) -> Mapping[str, Range]:
    _check_fields(given, set(names), where)
    ranges = {}
    for name, pair in given.items():
        if not isinstance(pair, list) or len(pair) != 2:
            raise PolicyUnreadable.for_file(where, f"{name} is no pair of limits")
        ranges[name] = Range(_number(pair[0], where), _number(pair[1], where))
        if ranges[name].low > ranges[name].high:
            raise PolicyUnreadable.for_file(where, f"the limits of {name} are the wrong way round")
    return ranges


def _check_fields(given: Any, names: set[str], where: str) -> None:
    if not isinstance(given, dict):
        raise PolicyUnreadable.for_file(where, "it is no mapping")
    if wrong := sorted(map(str, set(given) ^ names)):
        raise PolicyUnreadable.for_file(where, f"unknown or missing: {', '.join(wrong)}")


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PolicyUnreadable.for_file(where, f"{value!r} is no number")
    return float(value)
