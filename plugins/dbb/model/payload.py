"""What the calibration flow orders of a payload, and what it gets back.

A payload is whatever combines raw images into calibrations: the built-in one, or an external pipeline. It
reads files that are named to it, writes files into a folder of its own, and knows no ledger, no Rucio and no
registry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class CalibrationKind(StrEnum):
    """Name the products of a group, as Rubin's pipelines name their dataset types."""

    BIAS = "bias"
    DARK = "dark"
    FLAT = "flat"


@dataclass(frozen=True, slots=True)
class PayloadInput:
    """Pin one raw image, or one calibration that the payload applies first.

    Parameters
    ----------
    dataset_id
        Butler's UUID of it.
    sha256
        Identity of its bytes (of the image itself, not of a zip around it).
    path
        Where it can be read: a plain file, or a zip file if ``member`` is not empty.
    member
        Name within the zip.
    detector
        Number of the detector.
    exposure_id
        The exposure; 0 for a calibration.
    kind
        ``raw``, or the kind of the calibration.
    """

    dataset_id: str
    sha256: str
    path: Path
    member: str
    detector: int
    exposure_id: int = 0
    kind: str = "raw"


@dataclass(frozen=True, slots=True)
class PayloadOrder:
    """Say what shall be made of what.

    Parameters
    ----------
    kind
        Which calibration.
    instrument, physical_filter
        Butler's names; the filter is empty for all but flats.
    inputs
        Raw images of all detectors, and the calibrations to apply (bias for darks; bias and dark for flats,
        where they are in force).
    folder
        Where products are written; empty at the beginning, the payload's alone.
    parameters
        Of the payload, recorded with each product.
    """

    kind: CalibrationKind
    instrument: str
    physical_filter: str
    inputs: tuple[PayloadInput, ...]
    folder: Path
    parameters: Mapping[str, str | int | float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Product:
    """Name one calibration that a payload wrote.

    Parameters
    ----------
    detector
        Number of the detector.
    file
        Name in the order's folder.
    inputs
        UUIDs of the images and calibrations that really went into it.
    statistics
        Numbers that a person judges it by, e.g. ``median_adu``, ``noise_adu``, ``masked_fraction``.
    """

    detector: int
    file: str
    inputs: tuple[str, ...]
    statistics: Mapping[str, float] = field(default_factory=dict, hash=False)


class Payload(Protocol):
    """Make calibrations of images; the same order gives the same products."""

    @property
    def name(self) -> str:
        """Give the name that provenance records."""

    @property
    def version(self) -> str:
        """Give the version that provenance records; another one makes another RUN collection."""

    def run(self, order: PayloadOrder) -> Sequence[Product]:
        """Make one product for each detector of the order.

        Raises
        ------
        BrokenContract
            If an input is not what the order says, or no calibration can be made of the inputs; nothing is
            left in the folder that could be taken for a product.
        """
