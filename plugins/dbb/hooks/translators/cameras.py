"""The three cameras, and what is special about each."""

from __future__ import annotations

from typing import ClassVar

import astropy.units as u
from astropy.time import Time
from astropy.units import Quantity

from dbb.hooks.translators.rubin import CALIBRATION_TYPES, RubinTranslator

LIGHT_PATH = "~"
"""What joins a filter and a grating."""


class LsstCamTranslator(RubinTranslator):
    """Translate headers of the LSST Camera."""

    name = "LSSTCam"
    supported_instrument = "LSSTCam"
    header_names = frozenset({"lsstcam"})
    _const_map: ClassVar = {"instrument": "LSSTCam", "telescope": "Simonyi Survey Telescope"}

    on_telescope_since = Time("2025-03-01T00:00:00", scale="utc")
    """Earlier exposures were taken in the laboratory."""

    old_filter_names: ClassVar = {"ph_05": "ph_5", "NONE": "none"}

    def to_physical_filter(self) -> str:
        """Name the filter, in its present spelling."""
        found = super().to_physical_filter()
        return str(self.old_filter_names.get(found, found))

    def to_exposure_time(self) -> Quantity:
        """Take the shutter's own measurement, where it opened."""
        found = self.header_value("SHUTTIME")
        return float(found) * u.s if found else self.to_exposure_time_requested()

    def to_can_see_sky(self) -> bool | None:
        """Say whether light of the sky could come in: never in the laboratory."""
        if self.to_datetime_begin() < self.on_telescope_since:
            return False
        return super().to_can_see_sky()


class LsstComCamTranslator(LsstCamTranslator):
    """Translate headers of the commissioning camera."""

    name = "LSSTComCam"
    supported_instrument = "LSSTComCam"
    header_names = frozenset({"comcam"})
    _const_map: ClassVar = {"instrument": "LSSTComCam", "telescope": "Simonyi Survey Telescope"}
    on_telescope_since = Time("2024-08-24T00:00:00", scale="utc")


class LatissTranslator(RubinTranslator):
    """Translate headers of the spectrograph of the Auxiliary Telescope."""

    name = "LATISS"
    supported_instrument = "LATISS"
    header_names = frozenset({"latiss"})
    _const_map: ClassVar = {"instrument": "LATISS", "telescope": "Rubin Auxiliary Telescope"}

    def to_physical_filter(self) -> str:
        """Name the light path: filter and grating."""
        grating = self.header_value("GRATING")
        if grating is None:
            grating = "unknown"
        elif not grating or grating.lower().startswith("empty"):
            grating = "empty"
        return f"{super().to_physical_filter()}{LIGHT_PATH}{grating}"

    def to_dark_time(self) -> Quantity:
        """Take DARKTIME unless it is shorter than the exposure, as it was in early headers."""
        return max(super().to_dark_time(), self.to_exposure_time())

    def to_can_see_sky(self) -> bool | None:
        """Fall back on the type: this telescope's headers lacked the shutter for years."""
        if self.header_value("VIGN_MIN") is not None:
            return super().to_can_see_sky()
        kind = self.to_observation_type()
        return None if kind == "unknown" else kind not in CALIBRATION_TYPES


class CanaryTranslator(RubinTranslator):
    """Translate headers of the canary's camera."""

    name = "DBBCanary"
    supported_instrument = "DBBCanary"
    header_names = frozenset({"dbbcanary"})
    _const_map: ClassVar = {"instrument": "DBBCanary", "telescope": "none"}


TRANSLATORS: dict[str, type[RubinTranslator]] = {
    translator.name: translator
    for translator in (LsstCamTranslator, LsstComCamTranslator, LatissTranslator, CanaryTranslator)
}
