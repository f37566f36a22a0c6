"""Instruments as data: their detectors and filters, read from ``include/instruments``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Detector:
    """Describe one detector.

    Parameters
    ----------
    id
        Butler's detector number.
    full_name
        ``RAFT_SLOT``, for example ``R22_S11``.
    raft, name_in_raft
        The two halves of the name.
    purpose
        ``SCIENCE``, ``WAVEFRONT`` or ``GUIDER``.
    camera_name
        What the camera's own files and headers call it, where that differs from ``full_name``:
        LATISS writes ``R00_S00`` for Butler's ``RXX_S00``.
    """

    id: int
    full_name: str
    raft: str
    name_in_raft: str
    purpose: str
    camera_name: str = ""

    @property
    def name_in_files(self) -> str:
        """Give the name that the camera's files, headers and documents use."""
        return self.camera_name or self.full_name

    @property
    def dataset_type(self) -> str:
        """Name the Butler dataset type of its raw images."""
        return "guider_raw" if self.purpose == "GUIDER" else "raw"

    @property
    def file_suffix(self) -> str:
        """Give the end of its raw file's name, after ``OBSID_``."""
        guider = "_guider" if self.purpose == "GUIDER" else ""
        return f"{self.name_in_files}{guider}.fits"


@dataclass(frozen=True, slots=True)
class FocalPlane:
    """Say where the detectors are, well enough for finding the images of a place on the sky.

    Parameters
    ----------
    arcsec_per_mm
        The plate scale.
    detector_mm
        Side of a square into which any of the detectors fits.
    padding_mm
        How far outside of a detector its region on the sky reaches: pointing, distortion and the
        detectors' own places are known no better than that.
    centres_mm
        The centre of each detector by full name, x and y from the optical axis, in the axes of
        Rubin's camera descriptions.
    """

    arcsec_per_mm: float
    detector_mm: float
    padding_mm: float
    centres_mm: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Instrument:
    """Describe one camera.

    Parameters
    ----------
    name
        Butler's instrument name, ``LSSTCam``.
    camera_code
        The first part of its observation identifiers, ``MC``.
    header_names
        Values of ``INSTRUME`` that mean it.
    visit_max, exposure_max, detector_max
        Butler's limits.
    class_name
        The Python class that Butler records for the instrument.
    detectors, physical_filters
        All of them; a filter maps to its band (None where it has none).
    focal_plane
        Where the detectors are; without it the instrument's exposures make no visits.
    """

    name: str
    camera_code: str
    header_names: tuple[str, ...]
    visit_max: int
    exposure_max: int
    detector_max: int
    class_name: str
    detectors: tuple[Detector, ...]
    physical_filters: dict[str, str | None]
    focal_plane: FocalPlane | None = None

    @cached_property
    def by_name(self) -> dict[str, Detector]:
        """Map the full name to the detector."""
        return {detector.full_name: detector for detector in self.detectors}

    @cached_property
    def by_name_in_files(self) -> dict[str, Detector]:
        """Map the camera's own name to the detector."""
        return {detector.name_in_files: detector for detector in self.detectors}

    @cached_property
    def by_suffix(self) -> dict[str, Detector]:
        """Map the end of a raw file's name to the detector."""
        return {detector.file_suffix: detector for detector in self.detectors}
