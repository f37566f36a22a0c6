"""What an observatory does in one night: calibrations in the afternoon, then the sky."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from dbb.model.day_obs import TAI_MINUS_UTC, DayObs
from dbb.model.exposure import ObsId

CADENCE = dt.timedelta(seconds=17)
EXPOSURE_S = 15.0
CALIBRATIONS_BEGIN = dt.timedelta(hours=6)
"""After the day's begin (noon): 18:00 UTC, early afternoon on Cerro Pachón."""
SKY_BEGIN = dt.timedelta(hours=12, minutes=15)
NIGHT_END = dt.timedelta(hours=23, minutes=30)
LATITUDE_DEG, LONGITUDE_DEG = -30.244639, -70.749417
J2000 = dt.datetime(2000, 1, 1, 12)  # noqa: DTZ001  TAI is written without a zone

FILTERS = {
    "LSSTCam": ("u_24", "g_6", "r_57", "i_39", "z_20"),
    "LSSTComCam": ("g_01", "r_03", "i_06"),
    "LATISS": ("SDSSr_65mm", "SDSSg_65mm", "empty_1"),
}
_EXPOSURES_PER_FILTER = 40


@dataclass(frozen=True, slots=True)
class Shot:
    """Describe one exposure.

    Parameters
    ----------
    instrument, obs_id
        Whose it is, and its name.
    image_type
        ``BIAS``, ``DARK``, ``FLAT``, ``ACQ`` or ``OBJECT``, as the camera writes it.
    physical_filter
        What ``FILTER`` says.
    begin_tai
        When it begins, in TAI.
    exposure_s
        How long the shutter is open, or would be.
    azimuth_deg, elevation_deg, rotation_deg
        Where the telescope points.
    temperature_c
        How warm it is.
    index, sequence_length
        Its place in its sequence, from 1, and how many there are.
    """

    instrument: str
    obs_id: ObsId
    image_type: str
    physical_filter: str
    begin_tai: dt.datetime
    exposure_s: float
    azimuth_deg: float
    elevation_deg: float
    rotation_deg: float
    temperature_c: float
    index: int = 1
    sequence_length: int = 1

    @property
    def on_sky(self) -> bool:
        """Say whether it looks at the sky."""
        return self.image_type in ("ACQ", "OBJECT")

    @property
    def end_tai(self) -> dt.datetime:
        """Tell when it ends: the shutter moves for most of a second."""
        return self.begin_tai + dt.timedelta(seconds=self.exposure_s + 0.948)

    @property
    def radec_deg(self) -> tuple[float, float]:
        """Give the place on the sky (degrees) that stands there at that time."""
        latitude, azimuth = math.radians(LATITUDE_DEG), math.radians(self.azimuth_deg)
        elevation = math.radians(self.elevation_deg)
        east = -math.sin(azimuth) * math.cos(elevation)
        north = math.sin(elevation) * math.cos(latitude) - (
            math.cos(elevation) * math.sin(latitude) * math.cos(azimuth)
        )
        up = math.sin(latitude) * math.sin(elevation) + (
            math.cos(latitude) * math.cos(elevation) * math.cos(azimuth)
        )
        days = (self.begin_tai - TAI_MINUS_UTC - J2000) / dt.timedelta(days=1)
        sidereal_deg = 280.46061837 + 360.98564736629 * days + LONGITUDE_DEG
        hour_angle_deg = math.degrees(math.atan2(east, north))
        return (sidereal_deg - hour_angle_deg) % 360, math.degrees(math.asin(up))


def schedule(
    instrument: str, camera_code: str, day_obs: DayObs, exposures: int, seed: int
) -> list[Shot]:
    """Plan the exposures of one instrument, numbered from 1, one every 17 seconds."""
    rng = random.Random(f"{seed}:{instrument}:{day_obs}")  # noqa: S311  reproducible on purpose
    types = list(_types(exposures))
    noon_tai = dt.datetime.combine(day_obs.date, dt.time(12))
    night = sum(kind in ("ACQ", "OBJECT") for kind in types)
    sky_begin = min(SKY_BEGIN, NIGHT_END - night * CADENCE)
    afternoon = max(dt.timedelta(0), min(CALIBRATIONS_BEGIN, sky_begin - len(types) * CADENCE))
    shots = []
    done = {True: 0, False: 0}
    for number, kind in enumerate(types):
        on_sky = kind in ("ACQ", "OBJECT")
        begin = noon_tai + (sky_begin if on_sky else afternoon) + done[on_sky] * CADENCE
        filters = FILTERS[instrument]
        shots.append(
            Shot(
                instrument=instrument,
                obs_id=ObsId(camera_code, "O", day_obs, number + 1),
                image_type=kind,
                physical_filter=filters[done[on_sky] // _EXPOSURES_PER_FILTER % len(filters)],
                begin_tai=begin + dt.timedelta(milliseconds=rng.randrange(300)),
                exposure_s=0.0 if kind == "BIAS" else EXPOSURE_S,
                azimuth_deg=round(rng.uniform(0, 360), 6) if on_sky else 180.0,
                elevation_deg=round(rng.uniform(35, 85), 6) if on_sky else 80.0,
                rotation_deg=round(rng.uniform(0, 360), 6),
                temperature_c=round(14 - 6 * number / len(types) + rng.gauss(0, 0.2), 3),
            )
        )
        done[on_sky] += 1
    return shots


def _types(exposures: int) -> Iterator[str]:
    """Share the exposures out: a seventh is calibration, as on the largest day (450 of 3,250)."""
    calibrations = round(exposures * 450 / 3250) if exposures > 20 else min(3, exposures // 2)
    for number in range(calibrations):
        yield ("BIAS", "DARK", "FLAT")[number * 3 // calibrations]
    acquisitions = min(1 + exposures // 100, exposures - calibrations)
    yield from ["ACQ"] * acquisitions
    yield from ["OBJECT"] * (exposures - calibrations - acquisitions)
