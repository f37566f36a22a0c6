"""What the headers of all Rubin cameras have in common.

The rules are those that Rubin's archive was made with, so that a record made here is the record
that it would have made; they are written anew for the properties of an exposure record only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import astropy.units as u
from astro_metadata_translator import FitsTranslator, PropertyDefinition
from astropy.coordinates import AltAz, Angle, EarthLocation, SkyCoord
from astropy.time import Time, TimeDelta
from astropy.units import Quantity

from dbb.model.exposure import SEQ_NUM_LIMIT

OBSERVATION_TYPES = {"object": "science", "skyexp": "science"}
"""Types of the camera that Butler calls otherwise; the others are the same in lower case."""

CALIBRATION_TYPES = frozenset({"bias", "dark", "flat"})
SIMULATING_CONTROLLERS = frozenset("HPQS")
FIRST_PASCALS = 10_000
"""A pressure below is in hectopascals: old headers were."""

_EMPTY_SLOT = re.compile(r"empty_?\d*", re.IGNORECASE)


class RubinTranslator(FitsTranslator):  # type: ignore[misc]
    """Translate the properties of an exposure record; the subclasses name the instrument."""

    name: ClassVar[str]
    supported_instrument: ClassVar[str | None] = None
    header_names: ClassVar[frozenset[str]] = frozenset()
    extensions: ClassVar = {
        "wind_speed": PropertyDefinition("Wind speed outside the dome.", "Quantity", Quantity)
    }
    _ROLLOVER = TimeDelta(12 * 3600, format="sec", scale="tai")
    _trivial_map: ClassVar = {
        "observation_id": "OBSID",
        "object": ("OBJECT", {"default": "UNKNOWN"}),
        "science_program": (["PROGRAM", "RUNNUM"], {"default": "unknown"}),
        "exposure_time_requested": ("EXPTIME", {"unit": u.s}),
    }

    @classmethod
    def can_translate(
        cls,
        header: Mapping[str, Any],
        filename: str | None = None,  # noqa: ARG003  the library's interface
    ) -> bool:
        """Say whether ``INSTRUME`` is one of the instrument's names."""
        found = header.get("INSTRUME")
        return isinstance(found, str) and found.lower() in cls.header_names

    @classmethod
    def observing_date_to_offset(
        cls,
        observing_date: Time,  # noqa: ARG003  the library's interface
    ) -> TimeDelta | None:
        """Let the day begin at noon TAI."""
        return cls._ROLLOVER

    def header_value(self, keyword: str) -> Any:
        """Give a header's value, or None where the keyword or its value is missing."""
        return self._header.get(keyword)

    @property
    def tracks_sky(self) -> bool:
        """Say whether the telescope followed the sky, as far as the header tells."""
        return str(self.header_value("TRACKSYS") or "RADEC") == "RADEC"

    @property
    def on_sky(self) -> bool:
        """Say whether the exposure was meant to see the sky."""
        return self.tracks_sky and self.to_observation_type() not in CALIBRATION_TYPES

    def to_observing_day(self) -> int:
        """Take DAYOBS, which the camera sets; a header without it is refused."""
        return int(self._header["DAYOBS"])

    def to_observation_counter(self) -> int:
        """Take SEQNUM."""
        return int(self._header["SEQNUM"])

    def to_exposure_id(self) -> int:
        """Put the day and the number within the day together."""
        return self.to_observing_day() * SEQ_NUM_LIMIT + self.to_observation_counter()

    def to_exposure_group(self) -> str:
        """Take GROUPID, which all snaps of a visit share; else the exposure is a group alone."""
        group = self.header_value("GROUPID")
        return str(group) if group else str(self.to_exposure_id())

    def to_group_counter_start(self) -> int:
        """Count back to the first exposure of the sequence."""
        index = self.header_value("CURINDEX")
        return int(self.to_observation_counter() - (0 if index is None else int(index) - 1))

    def to_group_counter_end(self) -> int:
        """Count on to the last exposure of the sequence."""
        index, last = self.header_value("CURINDEX"), self.header_value("MAXINDEX")
        left = 0 if index is None or last is None else int(last) - int(index)
        return int(self.to_observation_counter() + left)

    def to_observation_type(self) -> str:
        """Take IMGTYPE in Butler's words."""
        found = str(self.header_value("IMGTYPE") or "unknown").lower()
        return OBSERVATION_TYPES.get(found, found)

    def to_observation_reason(self) -> str:
        """Take REASON, in earlier headers TESTTYPE."""
        return str(
            self.header_value("REASON") or self.header_value("TESTTYPE") or "unknown"
        ).lower()

    def to_physical_filter(self) -> str:
        """Name the filter; a slot without one is ``empty``, whatever its number."""
        found = self.header_value("FILTER")
        if not found:
            return "unknown"
        return "empty" if _EMPTY_SLOT.fullmatch(found) else str(found)

    def to_exposure_time(self) -> Quantity:
        """Take the time that was asked for; a header without it is refused."""
        return self.to_exposure_time_requested()

    def to_dark_time(self) -> Quantity:
        """Take DARKTIME; a dark current gathers at least while the shutter is open."""
        found = self.header_value("DARKTIME")
        return self.to_exposure_time() if found is None else float(found) * u.s

    def to_tracking_radec(self) -> SkyCoord | None:
        """Tell where the telescope tracked: what it reached, else what it was asked for.

        Biases and flats have no place on the sky even when the telescope happens to track; darks
        do, for some are taken to test the tracking.
        """
        if not self.tracks_sky or self.to_observation_type() in CALIBRATION_TYPES - {"dark"}:
            return None
        for keys in (("RASTART", "DECSTART"), ("RA", "DEC")):
            if self.are_keys_ok(keys):
                ra, dec = (float(self.header_value(key)) for key in keys)
                frame = str(self.header_value("RADESYS") or "ICRS").lower()
                return SkyCoord(ra, dec, frame=frame, unit=u.deg)
        if self.header_value("TRACKSYS") == "RADEC" and self.on_sky:
            raise KeyError("the telescope tracks the sky and no header says where")
        return None

    def to_altaz_begin(self) -> AltAz | None:
        """Tell where the telescope pointed at the beginning, whatever the observation."""
        if not self.are_keys_ok(("AZSTART", "ELSTART")):
            return None
        azimuth, elevation = (float(self.header_value(key)) for key in ("AZSTART", "ELSTART"))
        # The elevation axis goes some degrees past the horizon and the zenith; angles do not.
        if not -5.55 <= elevation <= 95.55:
            raise ValueError(f"ELSTART is {elevation}")
        if elevation > 90:
            azimuth, elevation = azimuth + 180, 180 - elevation
        return AltAz(az=Angle(azimuth % 360 * u.deg), alt=elevation * u.deg)

    def to_boresight_airmass(self) -> float | None:
        """Take the airmass at the beginning, of an exposure on the sky."""
        found = self.header_value("AMSTART")
        return float(found) if self.on_sky and found is not None else None

    def to_boresight_rotation_angle(self) -> Angle | None:
        """Take ROTPA, of an exposure on the sky."""
        found = self.header_value("ROTPA")
        return Angle(float(found) * u.deg) if self.on_sky and found is not None else None

    def to_boresight_rotation_coord(self) -> str:
        """Take ROTCOORD, of an exposure on the sky."""
        return str(self.header_value("ROTCOORD") or "unknown") if self.on_sky else "unknown"

    def to_temperature(self) -> Quantity | None:
        """Take AIRTEMP, in degrees Celsius."""
        found = self.header_value("AIRTEMP")
        return None if found is None else Quantity(float(found), u.deg_C)

    def to_pressure(self) -> Quantity | None:
        """Take PRESSURE, in pascals or, in old headers, hectopascals."""
        found = self.header_value("PRESSURE")
        if found is None:
            return None
        return float(found) * (u.Pa if found > FIRST_PASCALS else u.hPa)

    def to_relative_humidity(self) -> float | None:
        """Take HUMIDITY, in percent."""
        found = self.header_value("HUMIDITY")
        return None if found is None else float(found)

    def to_ext_wind_speed(self) -> Quantity | None:
        """Take WINDSPD, in metres per second."""
        found = self.header_value("WINDSPD")
        return None if found is None else float(found) * u.m / u.s

    def to_has_simulated_content(self) -> bool:
        """Say whether a component of the observatory, or the controller, was simulated."""
        flags = [keyword for keyword in self._header if "SIMULATE" in keyword]
        if any(self.header_value(keyword) for keyword in flags):
            return True
        return self.header_value("CONTRLLR") in SIMULATING_CONTROLLERS

    def to_can_see_sky(self) -> bool | None:
        """Say whether light of the sky could come in; None where the header does not tell."""
        if self.header_value("SHUTTIME") == 0.0:
            return False
        vignetted = self.header_value("VIGN_MIN")
        if vignetted is None or vignetted == "UNKNOWN":
            return None
        return bool(vignetted != "FULLY")

    def to_location(self) -> EarthLocation | None:
        """Leave the place out: no exposure record has it."""
        return None
