"""Lay calibrations down as a parcel that says what they were made of, and since when they are in force."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dbb.errors import CalibrationProductRefused
from dbb.flows.backbone import Backbone
from dbb.flows.parcels import INCOMING, READY
from dbb.model import strict_json
from dbb.model.calibration import (
    Attempt,
    CalibrationGroup,
    Certification,
    Validity,
    certify,
    chain_of,
    collection_of,
)
from dbb.model.payload import PayloadInput, PayloadOrder, Product
from dbb.ports.calibrations import ProductRow
from dbb.ports.store import READ_BYTES

PROVENANCE = "provenance.json"
STORAGE_CLASS = "FitsHDUList"
FORMATTER = "dbb.hooks.butler_formatter.FitsFileFormatter"
_NAMESPACE = uuid.UUID("6f6b1e0e-58b1-4c0c-8f0e-2b9b8d0c6f11")


def file_products(
    backbone: Backbone,
    group: CalibrationGroup,
    attempt: Attempt,
    order: PayloadOrder,
    products: Sequence[Product],
    universe: Mapping[str, Any],
) -> None:
    """Lay the products down as a parcel, with their provenance; record both first."""
    accepted = backbone.calibrations.accept(attempt.unit)
    pinned = {given.dataset_id: given for given in order.inputs}
    rows = list(_rows(attempt, order, products, pinned))
    if accepted:
        _check_validity(backbone, group, attempt, rows)
    place = f"{INCOMING}/{attempt.unit}/"
    backbone.archive.delete([file.name for file in backbone.archive.list_files(place)])
    for product in products:
        with (
            (order.folder / product.file).open("rb") as reader,
            backbone.archive.create(place + product.file) as writer,
        ):
            while piece := reader.read(READ_BYTES):
                writer.write(piece)
    documents = {
        PROVENANCE: _provenance(group, attempt, products, rows),
        "manifest.json": _manifest(group, attempt, rows, universe, accepted=accepted),
    }
    for name, document in documents.items():
        with backbone.archive.create(place + name) as writer:
            writer.write(strict_json.canonical(document))
    backbone.calibrations.file(attempt.unit, rows)
    with backbone.archive.create(place + READY):
        pass


def _check_validity(
    backbone: Backbone, group: CalibrationGroup, attempt: Attempt, rows: Sequence[ProductRow]
) -> None:
    """Refuse what could not be put in force, before anything of it is laid down."""
    collection = collection_of(group.instrument, attempt.campaign)
    filters = [("physical_filter", group.physical_filter)] if group.physical_filter else []
    wanted = [
        Validity(
            str(group.kind),
            tuple(
                sorted(
                    [("instrument", group.instrument), ("detector", str(row.detector)), *filters]
                )
            ),
            group.begin_tai.isoformat(),
            "",
            row.dataset_id,
        )
        for row in rows
    ]
    certify(backbone.repository(backbone.policy.archive).validities(collection), wanted)


def _rows(
    attempt: Attempt,
    order: PayloadOrder,
    products: Iterable[Product],
    pinned: Mapping[str, PayloadInput],
) -> Iterator[ProductRow]:
    for product in products:
        with (order.folder / product.file).open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        unknown = sorted(set(product.inputs) - set(pinned))
        if unknown:
            raise CalibrationProductRefused.for_group(
                attempt.group, f"detector {product.detector} names input {unknown[0]}, not ordered"
            )
        used = tuple((key, pinned[key].sha256, pinned[key].kind) for key in sorted(product.inputs))
        name = f"{attempt.run}:{order.kind}:{product.detector}:{order.physical_filter}"
        dataset_id = str(uuid.uuid5(_NAMESPACE, name))
        yield ProductRow(dataset_id, product.detector, product.file, sha256, used)


def _provenance(
    group: CalibrationGroup,
    attempt: Attempt,
    products: Sequence[Product],
    rows: Sequence[ProductRow],
) -> dict[str, Any]:
    """Say what was made of what; it travels with the products."""
    inputs = {key: [sha256, kind] for row in rows for key, sha256, kind in row.inputs}
    return {
        "schema": "dbb-calibration-provenance/1",
        "group": group.name,
        "exposures": list(group.units),
        "part": group.part,
        "parts": group.parts,
        "campaign": attempt.campaign,
        "run": attempt.run,
        "payload": attempt.payload,
        "version": attempt.version,
        "parameters": dict(attempt.parameters),
        "valid_from_tai": group.begin_tai.isoformat(),
        "inputs": inputs,
        "products": [
            {
                "dataset_id": row.dataset_id,
                "detector": row.detector,
                "file": row.name,
                "sha256": row.sha256,
                "inputs": [key for key, _, _ in row.inputs],
                "statistics": {key: repr(float(n)) for key, n in product.statistics.items()},
            }
            for row, product in zip(rows, products, strict=True)
        ],
    }


def _manifest(
    group: CalibrationGroup,
    attempt: Attempt,
    rows: Sequence[ProductRow],
    universe: Mapping[str, Any],
    *,
    accepted: bool,
) -> dict[str, Any]:
    """Say what Butler shall know of the products, and from when on they are in force."""
    certification = Certification(
        collection_of(group.instrument, attempt.campaign),
        chain_of(group.instrument),
        group.begin_tai,
    )
    labels = certification.labels if accepted else {}
    dimensions = ["instrument", "detector"]
    data_id: dict[str, Any] = {"instrument": group.instrument}
    if group.physical_filter:
        dimensions.append("physical_filter")
        data_id["physical_filter"] = group.physical_filter
    files: dict[str, Any] = {PROVENANCE: {}}
    for row in rows:
        ref = {
            "id": row.dataset_id,
            "dataset_type": str(group.kind),
            "run": attempt.run,
            "data_id": {**data_id, "detector": row.detector},
        }
        files[row.name] = {
            "refs": [ref], "formatter": FORMATTER, "sha256": row.sha256, "labels": labels,
        }  # fmt: skip
    told = {"dimensions": dimensions, "storage_class": STORAGE_CLASS, "is_calibration": True}
    return {
        "files": files,
        "dataset_types": {str(group.kind): told},
        "universe": dict(universe),
        "records": [],
        "instrument": group.instrument,
        "program": "calibration",
    }
