"""The instrument classes whose names Butler records: ``butler register-instrument`` finds them."""

from __future__ import annotations

from lsst.daf.butler import DataId, Registry
from lsst.pipe.base import Instrument

from dbb.hooks.butler_formatter import FitsFileFormatter
from dbb.hooks.butler_setup import register_instrument
from dbb.hooks.instruments import CANARY, load_instrument


class _DescribedInstrument(Instrument):  # type: ignore[misc] # untyped for mypy
    """Register what ``include/instruments`` says of an instrument."""

    instrument_name = ""

    @classmethod
    def getName(cls) -> str:  # noqa: N802 - Rubin's name
        """Give Butler's name of the instrument."""
        return cls.instrument_name

    def register(self, registry: Registry, *, update: bool = False) -> None:
        """Insert the instrument's dimension records."""
        register_instrument(registry, load_instrument(self.instrument_name), update=update)

    def getRawFormatter(  # noqa: N802 - Rubin's name
        self,
        dataId: DataId,  # noqa: ARG002, N803 - Rubin's signature
    ) -> type[FitsFileFormatter]:
        """Give the formatter of raw images: the same for every detector."""
        return FitsFileFormatter


class LsstCam(_DescribedInstrument):
    """The LSST Camera."""

    instrument_name = "LSSTCam"


class Latiss(_DescribedInstrument):
    """The spectrograph of the Auxiliary Telescope."""

    instrument_name = "LATISS"


class LsstComCam(_DescribedInstrument):
    """The commissioning camera."""

    instrument_name = "LSSTComCam"


class Canary(_DescribedInstrument):
    """The camera of the canary, which is described apart from those that observe."""

    instrument_name = "DBBCanary"

    def register(self, registry: Registry, *, update: bool = False) -> None:
        """Insert the instrument's dimension records."""
        register_instrument(registry, load_instrument(self.instrument_name, CANARY), update=update)
