"""Orders for payloads, made of synthetic groups and of products."""

from __future__ import annotations

import hashlib
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dbb.model.payload import CalibrationKind, PayloadInput, PayloadOrder, Product
from sandbox.synthetic_night import CalibrationGroup, make_calibration_group

DETECTORS = ("R22_S11", "R22_S12")
IDS = (94, 95)


def take(folder: Path, kind: str, exposures: int, **given: Any) -> CalibrationGroup:
    """Take a group of small images of two detectors with two amplifiers each."""
    given = {"detectors": DETECTORS, "amplifiers": 2, "pixels": 48} | given
    return make_calibration_group(folder / f"night-{kind}", kind, exposures=exposures, **given)


def dataset_id(*words: object) -> str:
    """Derive a UUID of words."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, ":".join(map(str, words))))


def raw_inputs(group: CalibrationGroup) -> list[PayloadInput]:
    """Pin the images of a group as plain files."""
    return [
        PayloadInput(dataset_id(exposure, detector), digest(path), path, "", detector, exposure)
        for (exposure, detector), path in sorted(group.images.items())
    ]


def bundled(inputs: Sequence[PayloadInput], folder: Path) -> list[PayloadInput]:
    """Put each exposure's images into a stored zip, and pin its members."""
    folder.mkdir(parents=True, exist_ok=True)
    moved = []
    for exposure in sorted({given.exposure_id for given in inputs}):
        path = folder / f"{exposure}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:
            for given in inputs:
                if given.exposure_id == exposure:
                    bundle.write(given.path, given.path.name)
                    moved.append(
                        PayloadInput(
                            given.dataset_id, given.sha256, path, given.path.name,
                            given.detector, exposure,
                        )
                    )  # fmt: skip
    return moved


def applied(order: PayloadOrder, products: Sequence[Product]) -> list[PayloadInput]:
    """Pin products as calibrations to apply."""
    return [
        PayloadInput(
            dataset_id(order.kind, product.detector),
            digest(order.folder / product.file),
            order.folder / product.file,
            "",
            product.detector,
            kind=str(order.kind),
        )
        for product in products
    ]


def make_order(
    folder: Path, kind: str, inputs: Sequence[PayloadInput], **parameters: float
) -> PayloadOrder:
    """Make an order with an empty folder of its own."""
    folder.mkdir(parents=True)
    physical_filter = "u_24" if kind == "flat" else ""
    return PayloadOrder(
        CalibrationKind(kind), "LSSTCam", physical_filter, tuple(inputs), folder, parameters
    )


def digest(path: Path) -> str:
    """Give the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(folder: Path) -> list[str]:
    """List the files of a folder."""
    return sorted(path.name for path in folder.iterdir())
