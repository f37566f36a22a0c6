"""What the Consolidated Database says of exposures, in the words of Rubin's schemas ``cdb_*``.

Angles are in degrees, times in seconds, instants TAI. What neither the translated header nor the
keywords below tell is None: `docs/reference/consdb.md` lists it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dbb.model.exposure import ExposureFacts

CCDEXPOSURE = "ccdexposure"
"""The table of an exposure's detectors."""

PRODUCTS = (
    "exposure_quicklook",
    "visit1_quicklook",
    "ccdexposure_quicklook",
    "ccdvisit1_quicklook",
)
"""Tables of what pipelines derive from an exposure; somebody delivers their rows."""

NO_DETECTOR = -1
"""In place of a detector's number, in a row that is of the whole exposure."""

_MJD_EPOCH = dt.datetime(1858, 11, 17)  # noqa: DTZ001 - TAI has no zone
_PACKED_DETECTORS, _PACKED_SEQ_NUMS = 256, 16384
_PACKED_FROM = dt.date(2010, 1, 1)


@dataclass(frozen=True)
class ExposureRecord:
    """Hold the row of an exposure, ``values`` by column of ``cdb_*.exposure``."""

    instrument: str
    values: Mapping[str, Any]

    @property
    def exposure_id(self) -> int:
        """Name the exposure."""
        return int(self.values["exposure_id"])

    @cached_property
    def sha256(self) -> str:
        """Give the hash of all it says: equal at every endpoint and in every database."""
        return _hash([self.instrument, dict(self.values)])


@dataclass(frozen=True)
class Members:
    """Hold an exposure's rows of one table: of its detectors, or one of the whole.

    Parameters
    ----------
    instrument, table, exposure_id, day_obs, seq_num
        Whose they are, and the keys that the rows themselves hold.
    rows
        Each with ``detector``, in its order; a row of the whole has ``NO_DETECTOR``.
    """

    instrument: str
    table: str
    exposure_id: int
    day_obs: int
    seq_num: int
    rows: Sequence[Mapping[str, Any]]

    @cached_property
    def sha256(self) -> str:
        """Give the hash of all it says."""
        key = [self.instrument, self.table, self.exposure_id, self.day_obs, self.seq_num]
        return _hash([key, [dict(row) for row in self.rows]])

    def joined(self, before: Sequence[Mapping[str, Any]]) -> Members:
        """Add the rows of detectors that were there before and are not named now."""
        named = {row["detector"] for row in self.rows}
        kept = [row for row in before if row["detector"] not in named]
        rows = sorted([*self.rows, *kept], key=lambda row: int(row["detector"]))
        return Members(
            self.instrument, self.table, self.exposure_id, self.day_obs, self.seq_num, rows
        )


@dataclass(frozen=True)
class Observation:
    """Hold what a published unit says of its exposure.

    Parameters
    ----------
    unit, manifest_sha256
        What it was made of: an observation of the same manifest need not be made again.
    record
        The exposure's row; None of a later part, which brings detectors only.
    detectors
        The detectors of this unit.
    """

    unit: str
    manifest_sha256: str
    record: ExposureRecord | None
    detectors: Members


@dataclass(frozen=True, slots=True)
class ConsdbPublication:
    """Say what a publication wrote: 0 where nothing had changed."""

    publication_id: int = 0
    versions: int = 0


@dataclass(frozen=True, slots=True)
class DayDigest:
    """Sum up what a day has of a table: equal sums, equal rows.

    Parameters
    ----------
    day_obs, instrument, table
        Of what.
    versions
        How many rows.
    high, low
        The sums of two halves of their hashes.
    """

    day_obs: int
    instrument: str
    table: str
    versions: int
    high: int
    low: int


def exposure_record(
    facts: ExposureFacts, band: str | None, header: Mapping[str, Any]
) -> ExposureRecord:
    """Make the row of an exposure.

    Parameters
    ----------
    facts
        What the translated header says.
    band
        The band of its physical filter.
    header
        The header itself, of which some more is taken.
    """
    told = {column: read(header.get(word)) for column, (word, read) in _KEYWORDS.items()}
    exp_time = told.pop("exp_time")
    zenith = facts.zenith_angle_deg
    begin = None if zenith is None else 90 - zenith
    middle = facts.begin_tai + (facts.end_tai - facts.begin_tai) / 2
    azimuth, altitude = _between(
        facts.azimuth_deg, begin, told["azimuth_end"], told["altitude_end"]
    )
    values = {
        "exposure_id": facts.exposure_id,
        "exposure_name": facts.obs_id,
        "controller": facts.controller,
        "day_obs": facts.day_obs,
        "seq_num": facts.seq_num,
        "physical_filter": facts.physical_filter,
        "band": band,
        "s_ra": facts.tracking_ra_deg,
        "s_dec": facts.tracking_dec_deg,
        "sky_rotation": facts.sky_angle_deg,
        "azimuth_start": facts.azimuth_deg,
        "azimuth": azimuth,
        "altitude_start": begin,
        "altitude": altitude,
        "zenith_distance_start": zenith,
        "zenith_distance_end": _complement(told["altitude_end"]),
        "zenith_distance": _complement(altitude),
        "airmass": facts.airmass,
        "exp_midpt": _iso(middle),
        "exp_midpt_mjd": _mjd(middle),
        "obs_start": _iso(facts.begin_tai),
        "obs_start_mjd": _mjd(facts.begin_tai),
        "obs_end": _iso(facts.end_tai),
        "obs_end_mjd": _mjd(facts.end_tai),
        "exp_time": facts.exposure_time_s if exp_time is None else exp_time,
        "shut_time": facts.exposure_time_s,
        "dark_time": facts.dark_time_s,
        "group_id": facts.group_name,
        "cur_index": facts.seq_num - facts.seq_start + 1,
        "max_index": facts.seq_end - facts.seq_start + 1,
        "img_type": facts.observation_type,
        "emulated": facts.has_simulated,
        "science_program": facts.science_program,
        "observation_reason": facts.observation_reason,
        "target_name": facts.target_name,
        "air_temp": facts.air_temperature_c,
        "pressure": facts.pressure_pa,
        "humidity": facts.humidity_percent,
        "wind_speed": facts.wind_speed_m_s,
        "simulated": _simulated(header),
        "can_see_sky": facts.can_see_sky,
        **told,
    }
    return ExposureRecord(facts.instrument, {name: values[name] for name in EXPOSURE_COLUMNS})


def ccdexposures(facts: ExposureFacts, detectors: Sequence[int]) -> Members:
    """Make the rows of an exposure's detectors."""
    rows = [
        {"detector": each, "ccdexposure_id": ccdexposure_id(facts.day_obs, facts.seq_num, each)}
        for each in sorted(detectors)
    ]
    return Members(
        facts.instrument, CCDEXPOSURE, facts.exposure_id, facts.day_obs, facts.seq_num, rows
    )


def ccdexposure_id(day_obs: int, seq_num: int, detector: int) -> int | None:
    """Pack the keys of a detector's image as Rubin does; None where they do not fit."""
    if seq_num >= _PACKED_SEQ_NUMS or detector >= _PACKED_DETECTORS:
        return None
    days = (dt.date.fromisoformat(str(day_obs)) - _PACKED_FROM).days
    return detector + _PACKED_DETECTORS * (seq_num + _PACKED_SEQ_NUMS * days)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _text(length: int) -> Callable[[object], str | None]:
    return lambda value: value.strip()[:length] if isinstance(value, str) else None


_KEYWORDS: Mapping[str, tuple[str, Callable[[object], Any]]] = {
    "exp_time": ("EXPTIME", _number),
    "azimuth_end": ("AZEND", _number),
    "altitude_end": ("ELEND", _number),
    "wind_dir": ("WINDDIR", _number),
    "dimm_seeing": ("SEEING", _number),
    "focus_z": ("FOCUSZ", _number),
    "vignette": ("VIGNETTE", _text(10)),
    "vignette_min": ("VIGN_MIN", _text(10)),
    "scheduler_note": ("OBSANNOT", _text(1024)),
}
"""By column, the keyword that has it, and how it is read."""

EXPOSURE_COLUMNS = (
    "exposure_id", "exposure_name", "controller", "day_obs", "seq_num", "physical_filter", "band",
    "s_ra", "s_dec", "sky_rotation", "azimuth_start", "azimuth_end", "azimuth", "altitude_start",
    "altitude_end", "altitude", "zenith_distance_start", "zenith_distance_end", "zenith_distance",
    "airmass", "exp_midpt", "exp_midpt_mjd", "obs_start", "obs_start_mjd", "obs_end", "obs_end_mjd",
    "exp_time", "shut_time", "dark_time", "group_id", "cur_index", "max_index", "img_type",
    "emulated", "science_program", "observation_reason", "target_name", "air_temp", "pressure",
    "humidity", "wind_speed", "wind_dir", "dimm_seeing", "focus_z", "simulated", "vignette",
    "vignette_min", "scheduler_note", "can_see_sky",
)  # fmt: skip
"""The columns of ``cdb_*.exposure`` that are kept."""


def _simulated(header: Mapping[str, Any]) -> bool | None:
    told = [value for name, value in header.items() if name.startswith("SIMULATE ")]
    return any(str(value) in ("1", "True") for value in told) if told else None


def _between(
    azimuth: float | None, altitude: float | None, azimuth_end: Any, altitude_end: Any
) -> tuple[float | None, float | None]:
    """Find the middle of two directions."""
    if azimuth is None or altitude is None or azimuth_end is None or altitude_end is None:
        return None, None
    ends = [_direction(azimuth, altitude), _direction(azimuth_end, altitude_end)]
    east, north, up = (sum(each) for each in zip(*ends, strict=True))
    return math.degrees(math.atan2(east, north)) % 360, math.degrees(
        math.atan2(up, math.hypot(east, north))
    )


def _direction(azimuth_deg: float, altitude_deg: float) -> tuple[float, float, float]:
    azimuth, altitude = math.radians(azimuth_deg), math.radians(altitude_deg)
    flat = math.cos(altitude)
    return flat * math.sin(azimuth), flat * math.cos(azimuth), math.sin(altitude)


def _complement(angle: float | None) -> float | None:
    return None if angle is None else 90 - angle


def _iso(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _mjd(moment: dt.datetime) -> float:
    return (moment - _MJD_EPOCH) / dt.timedelta(days=1)


def _hash(said: Any) -> str:
    document = json.dumps(said, sort_keys=True, allow_nan=False)
    return hashlib.sha256(document.encode()).hexdigest()
