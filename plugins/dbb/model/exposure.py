"""One raw exposure: its identifier, the facts of its header, the files that make it up."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Self

from dbb.errors import UnsafeName
from dbb.model.day_obs import DayObs
from dbb.model.names import SafeName

_OBS_ID = re.compile(r"([A-Z]{2})_([A-Z])_(\d{8})_(\d{6})", re.ASCII)
SEQ_NUM_LIMIT = 100_000
CANARY_INSTRUMENT = "DBBCanary"
"""The instrument of synthetic exposures that are sent to measure the way, and are no data."""


@dataclass(frozen=True, slots=True, order=True)
class ObsId:
    """Name one exposure as the camera does: ``MC_O_20261121_000123``."""

    camera_code: str
    controller: str
    day_obs: DayObs
    seq_num: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an observation identifier.

        Raises
        ------
        UnsafeName
            If it is not ``CC_C_YYYYMMDD_NNNNNN``.
        BadDayObs
            If the date is none.
        """
        match = _OBS_ID.fullmatch(text)
        if match is None or int(match[4]) >= SEQ_NUM_LIMIT:
            raise UnsafeName.for_name(text, "it is no observation identifier")
        return cls(match[1], match[2], DayObs.parse(match[3]), int(match[4]))

    @property
    def exposure_id(self) -> int:
        """Give Butler's exposure number, ``day_obs * 100000 + seq_num``."""
        return self.day_obs.value * SEQ_NUM_LIMIT + self.seq_num

    def __str__(self) -> str:
        return f"{self.camera_code}_{self.controller}_{self.day_obs}_{self.seq_num:06d}"


@dataclass(frozen=True, slots=True)
class Unit:
    """Name one unit of work: the part of an exposure that travels as one bundle.

    Part 1 is the exposure; a later part holds detectors that came after it was published.
    """

    instrument: str
    obs_id: ObsId
    part: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``INSTRUMENT/DAY_OBS/OBS_ID[.PART]``.

        Raises
        ------
        UnsafeName
            If it does not have that form or the days differ.
        """
        try:
            instrument, day_obs, last = SafeName.parse(text).split("/")
        except ValueError:
            raise UnsafeName.for_name(text, "a unit is INSTRUMENT/DAY_OBS/OBS_ID") from None
        name, _, part = last.partition(".")
        obs_id = ObsId.parse(name)
        if str(obs_id.day_obs) != day_obs or (part and not part.isdecimal()):
            raise UnsafeName.for_name(text, "a unit is INSTRUMENT/DAY_OBS/OBS_ID")
        return cls(instrument, obs_id, int(part or 1))

    @property
    def folder(self) -> SafeName:
        """Give the folder of the exposure's files in the source's store."""
        return SafeName(f"{self.instrument}/{self.obs_id.day_obs}/{self.obs_id}")

    @property
    def stem(self) -> str:
        """Give the name of the bundle without its ending."""
        return str(self.obs_id) if self.part == 1 else f"{self.obs_id}.{self.part}"

    @property
    def bundle_name(self) -> SafeName:
        """Give the bundle's name within its scope."""
        return SafeName(f"{self.folder}/{self.stem}.zip")

    @property
    def manifest_name(self) -> SafeName:
        """Give the manifest's name within its scope."""
        return SafeName(f"{self.folder}/{self.stem}.manifest.json")

    @property
    def rucio_dataset(self) -> SafeName:
        """Give the name of the Rucio dataset, as Rubin's tools write it."""
        day_obs = self.obs_id.day_obs
        return SafeName(f"Dataset/{self.instrument}/raw/Obs/{day_obs}/{self.stem}")

    def __str__(self) -> str:
        return f"{self.instrument}/{self.obs_id.day_obs}/{self.stem}"


@dataclass(frozen=True, slots=True)
class ExposureFacts:
    """Hold what an exposure's header says of it, in the words of Butler's exposure record.

    Angles are in degrees, times in seconds; ``begin`` and ``end`` are TAI written without a zone.
    What a header leaves out is None.
    """

    instrument: str
    exposure_id: int
    obs_id: str
    day_obs: int
    seq_num: int
    seq_start: int
    seq_end: int
    group_name: str
    controller: str
    physical_filter: str
    observation_type: str
    observation_reason: str
    science_program: str
    target_name: str
    exposure_time_s: float
    dark_time_s: float
    begin_tai: dt.datetime
    end_tai: dt.datetime
    tracking_ra_deg: float | None
    tracking_dec_deg: float | None
    sky_angle_deg: float | None
    azimuth_deg: float | None
    zenith_angle_deg: float | None
    airmass: float | None
    air_temperature_c: float | None
    pressure_pa: float | None
    humidity_percent: float | None
    wind_speed_m_s: float | None
    has_simulated: bool
    can_see_sky: bool | None
