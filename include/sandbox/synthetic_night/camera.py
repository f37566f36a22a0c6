"""The camera: all files of an exposure, good ones, as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial

from dbb.model.day_obs import DayObs
from dbb.model.instrument import Detector, Instrument
from sandbox.synthetic_night.cards import PrimaryHeader, Value
from sandbox.synthetic_night.headers import detector_values, exposure_header, header_document
from sandbox.synthetic_night.pixels import PixelBank
from sandbox.synthetic_night.plan import NightPlan
from sandbox.synthetic_night.schedule import Shot, schedule


class Exposure:
    """Hold one exposure, of which any file can be made at any time."""

    def __init__(self, shot: Shot, detectors: Sequence[Detector], bank: PixelBank) -> None:
        self.shot = shot
        self.detectors = detectors
        self._bank = bank

    @property
    def unit(self) -> str:
        """Name the exposure's unit, which is also its folder."""
        return f"{self.shot.instrument}/{self.shot.obs_id.day_obs}/{self.shot.obs_id}"

    def image_name(self, detector: Detector) -> str:
        """Name an image below the root."""
        return f"{self.unit}/{self.shot.obs_id}_{detector.file_suffix}"

    def document_name(self, detector: Detector) -> str:
        """Name an image's header document below the root."""
        return self.image_name(detector).removesuffix("fits") + "json"

    @property
    def sensors_name(self) -> str:
        """Name the list of expected sensors below the root."""
        return f"{self.unit}/{self.shot.obs_id}_expectedSensors.json"

    @cached_property
    def _header(self) -> dict[str, Value]:
        return exposure_header(self.shot, self._bank.detector_section)

    @cached_property
    def _primary(self) -> PrimaryHeader:
        return PrimaryHeader(self._header)

    def image(self, detector: Detector, take: str = "") -> bytes:
        """Make an image; another ``take`` has another tag in the header."""
        values = detector_values(self.shot, detector)
        if take:
            values["IMAGETAG"] = take
        which = f"{self.shot.obs_id}:{detector.full_name}"
        return self._primary.render(values) + self._bank.extensions(self.shot.image_type, which)

    def document(self, detector: Detector) -> bytes:
        """Make an image's header document."""
        return header_document(self._header | detector_values(self.shot, detector))

    def sensors(self) -> bytes:
        """Make the list of expected sensors, in which wavefront sensors count as science."""
        purposes = {
            detector.name_in_files: "GUIDER" if detector.purpose == "GUIDER" else "SCIENCE"
            for detector in self.detectors
        }
        document = {
            "fileName": self.sensors_name.rpartition("/")[2],
            "fileType": "expectedSensors",
            "obsId": str(self.shot.obs_id),
            "version": 1.0,
            "expectedSensors": purposes,
        }
        return json.dumps(document).encode("ascii")

    def file(self, name: str) -> bytes:
        """Make the file of a name, as it should be."""
        return dict(self._makers())[name]()

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Make all files, in the order in which the camera writes them."""
        for name, make in self._makers():
            yield name, make()

    def _makers(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        yield self.sensors_name, self.sensors
        for detector in self.detectors:
            yield self.image_name(detector), partial(self.image, detector)
            yield self.document_name(detector), partial(self.document, detector)


class Camera:
    """Take the exposures of a plan, as often as they are needed."""

    def __init__(self, plan: NightPlan, instruments: Mapping[str, Instrument]) -> None:
        self.plan = plan
        self.instruments = instruments
        self._bank = PixelBank(plan.seed, plan.pixels, plan.amplifiers)

    @cached_property
    def exposures(self) -> dict[str, Exposure]:
        """Give all exposures by unit."""
        return {exposure.unit: exposure for exposure in self._take()}

    def _take(self) -> Iterator[Exposure]:
        day_obs = DayObs.parse(self.plan.day_obs)
        for name, count in self.plan.counts.items():
            instrument = self.instruments[name]
            only = self.plan.only_detectors
            detectors = [d for d in instrument.detectors if not only or d.full_name in only]
            shots = schedule(name, instrument.camera_code, day_obs, count, self.plan.seed)
            for shot in shots:
                yield Exposure(shot, detectors or list(instrument.detectors), self._bank)
